"""Ids of executions, as `runt` makes and shows them."""

from __future__ import annotations

from runtimed.client.ids import new_id as new_id


def short(id: str) -> str:
    """Return the form of an id that people read and type."""
    return id[-8:].lower()
