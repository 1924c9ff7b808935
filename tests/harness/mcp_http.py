"""The SDK's own client of ``/mcp`` of ``runt serve``, and requests to it by hand."""

from __future__ import annotations

import http.client
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import mcp_types as types
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tests.harness.mcp_client import LATEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.harness.serving import Serving


@asynccontextmanager
async def http_client(
    served: Serving, revision: str = LATEST, *, name: str = "tests", **options: Any
) -> AsyncIterator[Client]:
    """Connect to ``/mcp`` with the token."""
    headers = {"Authorization": f"Bearer {served.token}"}
    mode = "auto" if revision in MODERN_PROTOCOL_VERSIONS else "legacy"
    with patch("mcp.client.session.LATEST_HANDSHAKE_VERSION", revision):
        async with (
            create_mcp_http_client(headers=headers) as http,
            Client(
                streamable_http_client(f"{served.url}/mcp", http_client=http),
                mode=mode,
                client_info=types.Implementation(name=name, version="1"),
                **options,
            ) as client,
        ):
            yield client


class ByHand:
    """Requests as a client of a revision sends them, of which one may hang up."""

    def __init__(self, served: Serving, revision: str, name: str = "by-hand") -> None:
        self._served = served
        self._client_info = {"name": name, "version": "1"}
        self._revision = revision
        self.session: str | None = None
        if revision not in MODERN_PROTOCOL_VERSIONS:
            about = {
                "protocolVersion": revision,
                "capabilities": {},
                "clientInfo": self._client_info,
            }
            connection = self.post("initialize", about)
            answer = connection.getresponse()
            answer.read()
            self.session = answer.headers["mcp-session-id"]
            connection.close()
            connection = self.post("notifications/initialized", {}, is_request=False)
            assert connection.getresponse().status == 202
            connection.close()

    def post(
        self, method: str, params: dict[str, Any], *, is_request: bool = True
    ) -> http.client.HTTPConnection:
        """Send a message, and return the connection without having read from it."""
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self._served.token}",
        }
        if self.session is not None:
            headers["Mcp-Session-Id"] = self.session
        if method != "initialize":
            headers["MCP-Protocol-Version"] = self._revision
        if self._revision in MODERN_PROTOCOL_VERSIONS:
            headers |= {"Mcp-Method": method}
            headers |= {"Mcp-Name": params["name"]} if "name" in params else {}
            meta = {
                types.PROTOCOL_VERSION_META_KEY: self._revision,
                types.CLIENT_CAPABILITIES_META_KEY: {},
                types.CLIENT_INFO_META_KEY: self._client_info,
            }
            params = {**params, "_meta": meta}
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        body = json.dumps(message | ({"id": 7} if is_request else {}))
        connection = http.client.HTTPConnection("127.0.0.1", self._served.port, timeout=60)
        connection.request("POST", "/mcp", body, headers)
        return connection
