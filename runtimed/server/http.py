"""The HTTP door. It is closed for now, and says so in HTTP."""

from __future__ import annotations

import json

VERBS = (
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"PATCH ",
    b"OPTIONS ",
    b"CONNECT ",
    b"TRACE ",
)


def not_implemented(request: bytes) -> bytes:
    """Return the response to a request that begins with these bytes.

    A problem document (RFC 9457); to HEAD the same head without a body (RFC 9110 §9.3.2).
    """
    problem = {
        "type": "about:blank",
        "title": "Not Implemented",
        "status": 501,
        "detail": "HTTP comes with a later release of runtimed. This socket speaks JSON-RPC 2.0, "
        'one message a line, such as {"jsonrpc":"2.0","id":1,"method":"rpc.discover"}',
    }
    body = json.dumps(problem).encode("ascii") + b"\n"
    head = (
        "HTTP/1.1 501 Not Implemented\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n"
        "\r\n"
    ).encode("ascii")
    return head if request.startswith(b"HEAD ") else head + body
