"""Decide what is written down of the work of others, before it is written."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from runtimed.keeper.headers import is_foreign, status_of, without_content

if TYPE_CHECKING:
    from collections.abc import Sequence


class Record(enum.StrEnum):
    """How much of foreign iopub messages is journaled."""

    ALL = "all"
    METADATA = "metadata"
    """That something ran, and when: neither code nor output."""
    OFF = "off"
    """That the kernel is busy, and no more."""


def written_part(
    frames: Sequence[bytes | memoryview], record: str, session: str
) -> tuple[Sequence[bytes | memoryview], bool] | None:
    """Return what is written of an iopub message, and whether that is less than all of it.

    None where nothing is. ``session`` is ours: what answers us is always written, and so is every
    status, which says who is busy and holds nothing of the user's.
    """
    if record == Record.ALL:
        return frames, False
    if not is_foreign(frames, session) or status_of(frames) is not None:
        return frames, False
    # What is no Jupyter message cannot be redacted.
    redacted = without_content(frames) if record == Record.METADATA else None
    return None if redacted is None else (redacted, True)
