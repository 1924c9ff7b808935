"""Waits that end with an answer when the service stops."""

from __future__ import annotations

import asyncio


def end_now(timeout: asyncio.Timeout) -> None:
    """Have a timeout that has been entered run out."""
    if not timeout.expired():
        timeout.reschedule(asyncio.get_running_loop().time())
