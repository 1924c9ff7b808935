"""Errors as problem documents (RFC 9457): the same tree as everywhere, with its HTTP status."""

from __future__ import annotations

import http
from typing import Any

import msgspec

from runtimed.api.errors import ApiError, BadRequest, Conflict, Denied, NotFound, Unavailable
from runtimed.server.http.messages import HttpError, Response
from runtimed.wire.jsonrpc import replace_surrogates

CONTENT_TYPE = "application/problem+json"
#: Seconds after which what failed for now may be asked again.
RETRY_AFTER_S = 1
#: What a refusal is to a program, by its status.
_KINDS: dict[int, type[ApiError]] = {
    403: Denied,
    404: NotFound,
    412: Conflict,
    503: Unavailable,
}
_encode = msgspec.json.Encoder().encode


def problem_of(error: ApiError) -> Response:
    """Return the response to a call that failed."""
    name = type(error).__name__
    document = {
        "type": f"urn:runtimed:error:{name}",
        "title": http.HTTPStatus(error.http_status).phrase,
        "status": error.http_status,
        "detail": error.message(),
        "name": name,
        "exit_code": error.exit_code,
        "retryable": error.retryable,
        "data": error.data,
    }
    response = _response(error.http_status, document)
    if error.http_status == 503 and error.retryable:
        response.headers.append(("Retry-After", str(RETRY_AFTER_S)))
    return response


def problem_of_http(error: HttpError) -> Response:
    """Return the response to what is refused as HTTP; to a program mostly a `BadRequest`."""
    kind = _KINDS.get(error.status, BadRequest)
    document = {
        "type": "about:blank",
        "title": http.HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "name": kind.__name__,
        "exit_code": kind.exit_code,
        "retryable": kind.retryable,
        "data": {"detail": error.detail},
    }
    response = _response(error.status, document)
    response.closes = error.status == 505  # what follows may not be framed as we think
    response.headers += error.headers
    return response


def _response(status: int, document: dict[str, Any]) -> Response:
    try:
        body = _encode(document)
    except UnicodeEncodeError:
        body = _encode(replace_surrogates(document))
    return Response(status, [("Content-Type", CONTENT_TYPE)], body + b"\n")
