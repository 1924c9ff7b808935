"""Answers that the gateway gives itself: problem documents (RFC 9457), as the daemon's."""

from __future__ import annotations

import http
import json
from typing import TYPE_CHECKING

from runtimed.api.errors import BadRequest, Denied, Internal, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from uvicorn._types import ASGISendCallable

    from runtimed.client.connecting import CallFailed
    from runtimed.gateway.guard import Headers, Refusal

#: Seconds after which a daemon that is away may be asked for again.
_RETRY_AFTER_S = 1


async def send_refusal(send: ASGISendCallable, refusal: Refusal, headers: Headers) -> None:
    """Answer what does not pass."""
    status, refused, body = problem_of(refusal, headers)
    await _send(send, status, refused, body)


def problem_of(refusal: Refusal, headers: Headers | None = None) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of the answer to what does not pass."""
    kind = Denied if refusal.status in (401, 403) else BadRequest
    facts = {"name": kind.__name__, "exit_code": kind.exit_code, "retryable": False}
    extra = [*refusal.headers, *(headers or [])]
    data = {"detail": refusal.detail}
    return _problem(refusal.status, refusal.detail, extra, **facts, data=data)


async def send_failure(send: ASGISendCallable, failure: CallFailed, headers: Headers) -> None:
    """Answer that no daemon can be asked."""
    status, extra = 502, headers
    if failure.data.get("retryable"):
        status, extra = 503, [*headers, (b"retry-after", b"%d" % _RETRY_AFTER_S)]
    facts = {key: failure.data.get(key) for key in ("name", "exit_code", "retryable")}
    data = {key: value for key, value in failure.data.items() if key not in facts}
    type_ = f"urn:runtimed:error:{failure.name}"
    await _send_problem(send, status, failure.message, extra, type=type_, **facts, data=data)


async def send_no_room(send: ASGISendCallable, headers: Headers) -> None:
    """Answer that too many are connected."""
    extra = [*headers, (b"retry-after", b"%d" % _RETRY_AFTER_S), (b"connection", b"close")]
    facts = {"name": Unavailable.__name__, "exit_code": Unavailable.exit_code, "retryable": True}
    await _send_problem(send, 503, "too many are connected", extra, **facts, data={})


async def send_not_opened(send: ASGISendCallable, headers: Headers) -> None:
    """Answer that what is served beside the daemon cannot be."""
    kind = Internal
    facts = {"name": kind.__name__, "exit_code": kind.exit_code, "retryable": False}
    detail = "this part of `runt serve` could not be loaded; its stderr says why"
    await _send_problem(send, 500, detail, headers, **facts, data={})


async def send_unknown_fate(send: ASGISendCallable, headers: Headers) -> None:
    """Answer a request that a daemon has taken and not answered: it may have been carried out."""
    detail = "runtimed hung up before it answered; whether it did what was asked is not known"
    facts = {"name": Unavailable.__name__, "exit_code": Unavailable.exit_code, "retryable": False}
    await _send_problem(send, 502, detail, headers, **facts, data={})


async def _send_problem(
    send: ASGISendCallable,
    status: int,
    detail: str,
    headers: Iterable[tuple[bytes, bytes]],
    **members: Any,
) -> None:
    _, given, body = _problem(status, detail, headers, **members)
    await _send(send, status, given, body)


def _problem(
    status: int, detail: str, headers: Iterable[tuple[bytes, bytes]], **members: Any
) -> tuple[int, Headers, bytes]:
    title = http.HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body = json.dumps(problem | members).encode() + b"\n"
    length = (b"content-length", b"%d" % len(body))
    return status, [(b"content-type", b"application/problem+json"), length, *headers], body


async def send_nothing(send: ASGISendCallable, headers: Headers) -> None:
    """Answer that there is nothing to say."""
    await _send(send, http.HTTPStatus.NO_CONTENT, headers, b"")


async def _send(send: ASGISendCallable, status: int, headers: Headers, body: bytes) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
