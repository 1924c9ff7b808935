"""A blob as the bytes that it is, or a range of them (RFC 9110 §14)."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, BinaryIO

from runtimed.api.errors import BlobNotFound
from runtimed.server.http.conditions import is_unchanged
from runtimed.server.http.messages import HttpError, Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from runtimed.api.executions import BlobGet
    from runtimed.api.places import Place
    from runtimed.server.http.exchange import Exchange
    from runtimed.server.http.messages import Headers, Request

_PIECE_BYTES = 256 * 1024
_UNKNOWN = "application/octet-stream"
#: What a blob is, is known to who refers to it, and not stored with it: these tell it themselves.
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"%PDF-": "application/pdf",
}
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.IGNORECASE)


async def respond(exchange: Exchange, place: Place, call: BlobGet) -> Response:
    """Return the bytes, all or those that were asked for."""
    try:
        path: str = exchange.hall.dispatcher.context.blobs.path(call.sha256)
        file = await asyncio.to_thread(open, path, "rb")
    except (FileNotFoundError, ValueError):
        raise BlobNotFound(sha256=call.sha256) from None
    try:
        return _response(exchange.request, file, f'"{call.sha256}"')
    except BaseException:
        file.close()
        raise


def _response(request: Request, file: BinaryIO, tag: str) -> Response:
    size = os.fstat(file.fileno()).st_size
    headers: Headers = [
        ("ETag", tag),
        ("Cache-Control", "private, max-age=31536000, immutable"),
        ("Accept-Ranges", "bytes"),
    ]
    if is_unchanged(request, tag):
        file.close()
        return Response(304, headers)
    headers.append(("Content-Type", _type_of(file)))
    headers.append(("Content-Security-Policy", "sandbox; default-src 'none'"))
    wanted = _range(request, tag, size)
    if wanted is None:
        return Response(200, headers, _pieces(file, 0, size), length_bytes=size)
    begin, end = wanted
    headers.append(("Content-Range", f"bytes {begin}-{end - 1}/{size}"))
    return Response(206, headers, _pieces(file, begin, end), length_bytes=end - begin)


def _type_of(file: BinaryIO) -> str:
    begin = os.pread(file.fileno(), 16, 0)
    if begin[:4] == b"RIFF" and begin[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), _UNKNOWN)


def _range(request: Request, tag: str, size: int) -> tuple[int, int] | None:
    """Return the first byte wanted and the one after the last; None for all. Raises `HttpError`.

    Several ranges, and what cannot be understood, are answered with everything, as is a range of
    what the blob is not (If-Range).
    """
    match = _RANGE.fullmatch((request.header("range") or "").replace(" ", ""))
    if match is None or request.verb != "GET" or request.header("if-range") not in (None, tag):
        return None
    first, last = match.groups()
    if first:
        begin, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    elif last:
        begin, end = max(0, size - int(last)), size
    else:
        return None
    if begin >= end:
        raise HttpError(416, f"it has {size} bytes", ("Content-Range", f"bytes */{size}"))
    return begin, end


async def _pieces(file: BinaryIO, begin: int, end: int) -> AsyncGenerator[bytes, None]:
    with file:
        while begin < end:
            wanted = min(_PIECE_BYTES, end - begin)
            piece = await asyncio.to_thread(os.pread, file.fileno(), wanted, begin)
            if not piece:  # it was cut behind our back: the response ends too early, and says so
                return
            begin += len(piece)
            yield piece
