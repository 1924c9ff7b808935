"""Describe the service itself."""

from __future__ import annotations

from functools import cache
from typing import Any

from runtimed.api.daemon import RpcDiscover
from runtimed.api.schema import openrpc
from runtimed.service.binding import serves


@serves(RpcDiscover)
async def discover(ctx: Any, call: RpcDiscover) -> dict[str, Any]:
    return _document()


@cache
def _document() -> dict[str, Any]:
    return openrpc()
