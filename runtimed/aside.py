"""Do what may wait for a file system in a thread that nobody else waits for.

`asyncio.to_thread` has a few threads for all: what hangs in them, as in a home on a machine that
is gone, would take them from everything else, and the end of the process would wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def aside(do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return what it returns, raise what it raises. Where nobody waits any more, it is let go."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, problem = None, None
        try:
            result = do(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - the root of a thread: its caller raises it
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, name=f"aside {do.__name__}", daemon=True).start()
    return await done
