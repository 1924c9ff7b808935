"""Every request, from the guard to the daemon, or to what is served beside it.

An ASGI application, as those beside it are.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runtimed.gateway import guard
from runtimed.gateway.answers import (
    send_failure,
    send_no_room,
    send_not_opened,
    send_nothing,
    send_refusal,
    send_unknown_fate,
)
from runtimed.gateway.beside import NotOpened
from runtimed.gateway.upstream import CallFailed, HungUp, Passage, connect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uvicorn._types import (
        ASGIReceiveCallable,
        ASGISendCallable,
        ASGISendEvent,
        HTTPScope,
        Scope,
    )

    from runtimed.gateway.beside import Beside
    from runtimed.gateway.guard import Headers, Rules

log = logging.getLogger(__name__)

#: In a scope's state: what is asked when the token was shown, and says whether there is room.
ADMIT = "admit"


class Gateway:
    """Passes on what the rules let through to the daemon at a socket path, or what is beside it.

    ``beside`` are applications by their paths; ``only_beside``: nothing reaches the daemon's API.
    """

    def __init__(
        self,
        rules: Rules,
        socket_path: str,
        beside: Mapping[bytes, Beside] | None = None,
        *,
        only_beside: bool = False,
    ) -> None:
        self._rules = rules
        self._socket_path = socket_path
        self._beside = dict(beside or {})
        self._only_beside = only_beside
        self._passages: set[Passage] = set()

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._answer(scope, receive, send)
        except Exception:  # the root of a request's task
            # Not the path: a client may have put something secret there.
            log.exception("a %s request failed", scope["method"])
            raise

    def end_streams(self) -> None:
        """End the streams that would not end by themselves."""
        for passage in self._passages:
            if passage.is_event_stream:
                passage.cut()
        for beside in self._beside.values():
            beside.end_streams()

    async def _answer(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        headers = list(scope["headers"])
        refused = guard.judge_version(scope["http_version"])
        refused = refused or guard.judge(self._rules, scope["raw_path"], headers)
        cors = guard.cors_headers(self._rules, headers)
        if refused is None and guard.is_preflight(scope["method"], headers):
            await send_nothing(send, cors + guard.preflight_headers())
            return
        refused = refused or guard.judge_token(self._rules, headers)
        if refused is not None:
            await send_refusal(send, refused, cors)
            return
        admit = scope.get("state", {}).get(ADMIT)
        if admit is not None and not admit():
            await send_no_room(send, cors)
            return
        beside = self._beside.get(scope["raw_path"].rstrip(b"/"))
        if beside is not None:
            await self._answer_beside(beside, scope, receive, send, cors)
        elif self._only_beside:
            paths = ", ".join(path.decode() for path in self._beside)
            await send_refusal(send, guard.Refusal(403, f"only {paths} is served here"), cors)
        else:
            await self._pass_on(Passage(scope, receive, send, cors), scope["method"], send, cors)

    async def _answer_beside(
        self,
        beside: Beside,
        scope: HTTPScope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
        cors: Headers,
    ) -> None:
        async def send_too(event: ASGISendEvent) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event.get("headers", ()), *cors]
            await send(event)

        # The token has been judged; what is beside has no business with it.
        headers = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        try:
            await beside({**scope, "headers": headers}, receive, send_too)
        except NotOpened:
            await send_not_opened(send, cors)

    async def _pass_on(
        self, passage: Passage, method: str, send: ASGISendCallable, cors: Headers
    ) -> None:
        try:
            connected = await connect(self._socket_path, method)
        except CallFailed as failure:
            await send_failure(send, failure, cors)
            return
        self._passages.add(passage)
        try:
            await passage.run(connected)
        except HungUp:
            # Half an answer stays half: uvicorn closes the connection without its end.
            if not passage.has_begun:
                await send_unknown_fate(send, cors)
        finally:
            self._passages.discard(passage)
