"""Starts that wait for their environment: no runtime is in the table yet that could be stopped."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from runtimed.api.errors import KernelDidNotStart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

T = TypeVar("T")
#: Marks a stretch that is pointless once who asked has gone.
Waiting: TypeAlias = "Callable[[], AbstractContextManager[None]]"


class UnderWay:
    """The starts that wait, each with who asked for it. Owned by who starts runtimes."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Timeout, dict[str, Any] | None] = {}

    @contextlib.asynccontextmanager
    async def started_by(self, who: dict[str, Any] | None, kernel: str) -> AsyncIterator[None]:
        """Have what is awaited in here end as `KernelDidNotStart` where it is called off."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._waiting[scope] = who
                try:
                    yield
                finally:
                    self._waiting.pop(scope, None)
        except TimeoutError as error:
            if not scope.expired():
                raise
            detail = "it was called off: somebody has ended all that its starter had started"
            raise KernelDidNotStart(kernel=kernel, detail=detail, stderr="") from error

    @contextlib.asynccontextmanager
    async def entering(
        self,
        waits: AbstractAsyncContextManager[T],
        who: dict[str, Any] | None,
        kernel: str,
        waiting: Waiting = contextlib.nullcontext,
    ) -> AsyncIterator[T]:
        """Yield what it yields, and have the way there called off as in `started_by`.

        ``waiting`` ends it, too, where who asked has gone.
        """
        async with contextlib.AsyncExitStack() as entered:
            async with self.started_by(who, kernel):
                with waiting():
                    found = await entered.enter_async_context(waits)
            yield found

    def call_off(self, is_meant: Callable[[dict[str, Any] | None], bool]) -> int:
        """Call off those whose starters are meant; return how many. What is built is built on."""
        meant = [scope for scope, who in self._waiting.items() if is_meant(who)]
        for scope in meant:
            del self._waiting[scope]  # once is enough, and all that it can take
            scope.reschedule(asyncio.get_running_loop().time())
        return len(meant)
