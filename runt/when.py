"""Moments as people write them: RFC 3339, a day, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from runt.failures import UsageFailure

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def age_s(text: str) -> float:
    """Return how long ``30d`` is, in seconds. Raises `UsageFailure`."""
    if found := re.fullmatch(r"([0-9]{1,6})([smhdw])", text):
        return timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()
    raise UsageFailure(f"{text!r} is no length of time; 90s, 12h, 30d and 8w are")


def moment(text: str, now: datetime) -> str:
    """Return the moment as the API wants it (RFC 3339, UTC, milliseconds). Raises `UsageFailure`.

    ``2h`` is two hours before ``now``; what names no time zone is by the clock on the wall.
    """
    try:
        if ago := re.fullmatch(r"([0-9]+)([smhdw])", text):
            found = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            found = datetime.fromisoformat(text)
        found = found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageFailure(
            f"{text!r} is no moment; 2h, 3d, 2026-01-31 and 2026-01-31T12:00:00Z are"
        ) from None
    return f"{found:%Y-%m-%dT%H:%M:%S}.{found.microsecond // 1000:03d}Z"
