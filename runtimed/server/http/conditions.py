"""Entity tags, and the requests that depend on them (RFC 9110 §8.8, §13).

A document's own ``etag`` changes with its edits, not with everything that it shows: a notebook's
stays while its cells run. So a representation's tag is that, a dot, and a hash of its bytes; a
change is compared by what stands before the dot, and may leave the rest away.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import msgspec

from runtimed.server.http.messages import HttpError

if TYPE_CHECKING:
    from runtimed.api.places import Place
    from runtimed.server.http.messages import Request

_HASH_BYTES = 9


def tag_of(body: bytes, etag: str | None = None) -> str:
    """Return the entity tag of a representation, in its quotes."""
    digest = hashlib.blake2b(body, digest_size=_HASH_BYTES).digest()
    hashed = base64.urlsafe_b64encode(digest).decode()
    return f'"{etag}.{hashed}"' if etag is not None else f'"{hashed}"'


def is_unchanged(request: Request, tag: str) -> bool:
    """Say whether the client has this representation already (If-None-Match).

    Raises `HttpError` 412 where it wants another one (If-Match).
    """
    wanted = request.header("if-match")
    if wanted is not None and not _is_meant(tag, _tags(wanted)):
        raise HttpError(412, f"it is {tag} now", ("ETag", tag))
    known = request.header("if-none-match")
    if known is None:
        return False
    tags = [each.removeprefix("W/") for each in _tags(known)]
    return tag in tags or "*" in tags


def _is_meant(tag: str, tags: list[str]) -> bool:
    """Say whether one of the tags is this one, or the document's own ``etag`` in it."""
    whole = tag.strip('"')
    own = whole.partition(".")[0]
    return any(each == "*" or each.strip('"') in (whole, own) for each in tags)


def edit_of(request: Request, place: Place) -> str | None:
    """Return the call's ``if_match``, where the request has one. Raises `HttpError`."""
    header = request.header("if-match")
    if header is None or place.verb == "GET":
        return None
    if "if_match" not in {field.name for field in msgspec.structs.fields(place.call)}:
        raise HttpError(400, "If-Match is not for this request")
    tags = _tags(header)
    if len(tags) != 1:
        raise HttpError(400, "If-Match must have one entity tag here")
    if tags == ["*"]:
        return None
    return tags[0].strip('"').partition(".")[0]


def _tags(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",") if tag.strip()]
