"""Ids: ULIDs (https://github.com/ulid/spec), and the short form that people read."""

from __future__ import annotations

import re

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_SHORT = re.compile(r"[0-9A-HJKMNP-TV-Z]{8}")


#: What the msg_ids of our own requests begin with, where that is not an execution's id.
_REQUESTS = frozenset(("info", "barrier", "look", "setup", "shutdown", "interrupt", "proof"))


def is_ulid(text: str) -> bool:
    """Say whether the text is a ULID in its canonical upper case."""
    return _ULID.fullmatch(text) is not None


def short(ulid: str) -> str:
    """Return the id shown to people: the last 8 characters, in lower case."""
    return ulid[-8:].lower()


def is_short(text: str) -> bool:
    """Say whether the text may be the short form of an id, in either case."""
    return _SHORT.fullmatch(text.upper()) is not None


def message_id(execution_id: str, attempt: int) -> str:
    """Return the msg_id of one dispatch of an execution."""
    return f"{execution_id}.{attempt}"


def is_our_request(msg_id: str) -> bool:
    """Say whether a msg_id is one that we give: others may give themselves our session."""
    first, dot, _ = msg_id.partition(".")
    return bool(dot) and (first in _REQUESTS or is_ulid(first))


def split_message_id(msg_id: str) -> tuple[str, int] | None:
    """Return (execution id, attempt) if the msg_id is that of a dispatch of ours."""
    execution_id, _, attempt = msg_id.partition(".")
    if attempt.isdecimal() and is_ulid(execution_id):
        return execution_id, int(attempt)
    return None
