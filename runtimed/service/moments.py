"""Moments in calls: RFC 3339 with a zone, as milliseconds since the epoch."""

from __future__ import annotations

from datetime import datetime

from runtimed.api.errors import InvalidParams


def milliseconds(text: str, parameter: str) -> int:
    """Return the moment of a call's parameter. Raises `InvalidParams`, naming that."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        detail = f"{text!r} is not a time (RFC 3339) - at `$.{parameter}`"
        raise InvalidParams(detail=detail) from None
    if when.tzinfo is None:
        raise InvalidParams(detail=f"{text!r} has no time zone - at `$.{parameter}`")
    return int(when.timestamp() * 1000)
