"""Threads for renders: of their own, so that nothing else waits behind what somebody displayed."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

P = ParamSpec("P")
T = TypeVar("T")

#: One that takes long leaves the other to those that do not.
_EXECUTOR = ThreadPoolExecutor(max_workers=2, thread_name_prefix="render")


class GivenUp(Exception):
    """Nobody waits for the text any more."""


class Waits(Protocol):
    """Who waits for the text: a `Caller`, or the connection that a task works for."""

    def waiting(self) -> AbstractContextManager[None]:
        """See `binding.Connection.waiting`."""


async def in_thread(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that renders. One that has not begun when it is cancelled never will."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_EXECUTOR, partial(fn, *args, **kwargs))


async def while_wanted(caller: Waits, fn: Callable[[Callable[[], None]], T]) -> T:
    """Run a function that renders for as long as its caller is there.

    It is given what it has to call now and then, which raises `GivenUp` once the caller has gone.
    """
    has_gone = threading.Event()

    def check() -> None:
        if has_gone.is_set():
            raise GivenUp

    try:
        with caller.waiting():
            return await in_thread(fn, check)
    except asyncio.CancelledError:
        has_gone.set()
        raise
