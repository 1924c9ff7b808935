"""Heads of messages: what is looked at in a request's, what stands in a response's."""

from __future__ import annotations

import email.utils
import http
from typing import TYPE_CHECKING, Any, cast

import h11

from runtimed.server.http.incoming import MAX_HEAD_BYTES
from runtimed.server.http.messages import HttpError, Request

if TYPE_CHECKING:
    from runtimed.server.http.messages import Response


def request_of(head: h11.Request, head_bytes: int) -> Request:
    """Return the request whose head, so many bytes long, has come.

    Raises `HttpError` for what h11 lets pass: it limits heads that are not complete only.
    """
    if len(head.target) > MAX_HEAD_BYTES:
        raise HttpError(414, f"a head has at most {MAX_HEAD_BYTES} bytes, its target with it")
    if head_bytes > MAX_HEAD_BYTES:
        raise HttpError(431, f"a head has at most {MAX_HEAD_BYTES} bytes")
    names = {name for name, _ in head.headers}
    if {b"content-length", b"transfer-encoding"} <= names:
        raise HttpError(400, "Content-Length and Transfer-Encoding exclude each other")
    return Request(
        head.method.decode("ascii"),
        head.target.decode("ascii"),
        [(name.decode("ascii"), str(value, "latin-1")) for name, value in head.headers],
        head.http_version.decode("ascii"),
    )


def head_of(response: Response) -> h11.Response:
    """Return the response's head."""
    headers = [
        ("Date", email.utils.formatdate(usegmt=True)),
        ("Server", "runtimed"),
        ("X-Content-Type-Options", "nosniff"),
        *response.headers,
    ]
    if isinstance(response.body, bytes):
        if response.status != 204 and response.status != 304:
            headers.append(("Content-Length", str(len(response.body))))
    elif response.length_bytes is not None:
        headers.append(("Content-Length", str(response.length_bytes)))
    if response.closes:
        headers.append(("Connection", "close"))
    phrase = http.HTTPStatus(response.status).phrase
    return h11.Response(
        status_code=response.status, headers=cast("Any", headers), reason=phrase.encode()
    )
