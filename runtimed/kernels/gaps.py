"""What did not reach us of one execution: each loss by itself, and all of them as its gap.

A gap is {reason, from_at, to_at, count}. One that has several parts spans them, and has them too:
a later loss replaces none before it. All functions return new values; a gap may be in an event
that is not encoded yet.
"""

from __future__ import annotations

from typing import Any

#: Past so many, the two oldest of one reason become one, with the span of both.
MAX_PARTS = 32

Gap = dict[str, Any]


def loss(
    reason: str, *, from_at: str | None = None, to_at: str | None = None, count: int | None = None
) -> Gap:
    """Return one loss; ``count`` is how many messages, where that is known."""
    return {"reason": reason, "from_at": from_at, "to_at": to_at, "count": count}


def joined(gap: Gap | None, new: Gap) -> Gap | None:
    """Return the gap with one loss more; None if nothing is missing.

    Losses of one reason of which no time is known are one part. Its count may fall: what was
    counted may only have been late.
    """
    parts = _parts(gap)
    for index, part in enumerate(parts):
        if part["reason"] == new["reason"] and part["from_at"] is None is new["from_at"]:
            parts[index] = _merged(part, new)
            break
    else:
        parts.append(new)
    return _whole([part for part in parts if part["count"] is None or part["count"] > 0])


def has_reason(gap: Gap | None, reason: str) -> bool:
    """Whether something is missing for this reason."""
    return any(part["reason"] == reason for part in _parts(gap))


def _parts(gap: Gap | None) -> list[Gap]:
    return [] if gap is None else list(gap.get("parts") or [gap])


def _whole(parts: list[Gap]) -> Gap | None:
    if len(parts) <= 1:
        return parts[0] if parts else None
    parts = _bounded(parts)
    dated = [part for part in parts if part["from_at"] is not None]
    counts = [part["count"] for part in parts]
    return {
        "reason": (dated or parts)[0]["reason"],
        "from_at": _of_known(min, parts, "from_at"),
        "to_at": _of_known(max, parts, "to_at"),
        "count": None if None in counts else sum(counts),
        "parts": parts,
    }


def _bounded(parts: list[Gap]) -> list[Gap]:
    if len(parts) <= MAX_PARTS:
        return parts
    seen: dict[str, int] = {}
    for index, part in enumerate(parts):
        first = seen.setdefault(part["reason"], index)
        if first != index:
            merged = _merged(parts[first], part)
            return [*parts[:first], merged, *parts[first + 1 : index], *parts[index + 1 :]]
    return parts  # no more than there are reasons


def _merged(one: Gap, other: Gap) -> Gap:
    both = [one, other]
    return {
        "reason": one["reason"],
        "from_at": _of_known(min, both, "from_at"),
        "to_at": _of_known(max, both, "to_at"),
        "count": _of_known(sum, both, "count"),
    }


def _of_known(choose: Any, parts: list[Gap], name: str) -> Any:
    known = [part[name] for part in parts if part[name] is not None]
    return choose(known) if known else None
