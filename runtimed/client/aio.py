"""The client for asyncio: what blocking.py has, with ``await``.

::

    from runtimed.client import connect_async

    async with connect_async() as client, await client.start("python3") as runtime:
        print((await runtime.eval("6 * 7")).result)
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import msgspec

from runtimed.api.errors import ApiError
from runtimed.api.events import EventsSubscribe
from runtimed.api.executions import BlobGet, ExecutionEval, ExecutionGet
from runtimed.api.runtimes import RuntimeGet, RuntimeList, RuntimeStart
from runtimed.client.aio_events import AsyncEvents
from runtimed.client.aio_lines import AsyncLines, dialled
from runtimed.client.aio_objects import AsyncExecution, AsyncRuntime, history
from runtimed.client.blobs import of_blob
from runtimed.client.calls import Api, Asyncio
from runtimed.client.connecting import CallFailed
from runtimed.client.documents import missing_blobs, put_blobs
from runtimed.client.options import (
    EventOptions,
    HistoryOptions,
    StartOptions,
    SubmitOptions,
    absolute,
    of_caller,
)
from runtimed.client.patience import GONE, ClientClosed, Patience, Request, goes_on, raised
from runtimed.paths import socket_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from types import TracebackType

    from runtimed.api.call import Call
    from runtimed.api.types import Execution as ExecutionDocument

__all__ = ["AsyncClient", "connect_async"]

R = TypeVar("R")
_MAX_IDLE = 8


def connect_async(
    path: str | None = None,
    *,
    start: bool = True,
    client: str = "python",
    agent: str | None = None,
    patience_s: float = 30.0,
) -> AsyncClient:
    """Return a client that connects when it is entered, or with its first call.

    The parameters are those of `connect`.
    """
    return AsyncClient(
        path or socket_path(), start=start, client=client, agent=agent, patience_s=patience_s
    )


class AsyncClient:
    """Calls to one daemon, over as many connections as there are calls at a time.

    It belongs to one event loop. Cancelling a call ends the waiting only: what was submitted goes
    on. What becomes of calls where the daemon goes away is as with `Client`.
    """

    def __init__(
        self, path: str, *, start: bool, client: str, agent: str | None, patience_s: float
    ) -> None:
        self._path = path
        self._starts = start
        self._kind, self._agent = client, agent
        self._patience_s = patience_s
        self._was_connected = False
        self._is_closed = False
        self._idle: list[AsyncLines] = []
        #: Every method of the API, as ``await api.noun.verb(...)``.
        self.api: Api[Asyncio] = Api(self.call)

    async def call(self, call: Call[R]) -> R:
        """Make a call and wait for its result. Raises the call's errors, see `ApiError`."""
        result: R = await self._ask(call, type(call).result)
        return result

    async def _ask(self, call: Call[Any], result: type[R]) -> R:
        """Make a call; its result becomes a ``result``."""
        patience, request = Patience(self._patience_s), Request(call)
        while True:
            async with self._connection(patience) as lines:
                try:
                    answer = await lines.call(request.method, request.params())
                    break
                except CallFailed as failure:
                    if failure.name in GONE:
                        lines.close()
                        request.check_repeatable(failure)
                    pause_s = patience.pause_s(failure)
            await asyncio.sleep(pause_s)
        converted: R = msgspec.convert(answer, result)
        return converted

    async def start(
        self, kernel_name: str | None = None, **options: Unpack[StartOptions]
    ) -> AsyncRuntime:
        """Start a kernel and wait until it answers. As `Client.start`."""
        given: Any = {**of_caller(), **options}
        return (await self._ask(RuntimeStart(kernel_name=kernel_name, **given), AsyncRuntime))._of(
            self
        )

    async def runtime(self, runtime: str) -> AsyncRuntime:
        """Return a runtime by its id, short id, name, notebook's path, or what else names one."""
        return (await self._ask(RuntimeGet(runtime=runtime), AsyncRuntime))._of(self)

    async def runtimes(self, *, all: bool = False) -> list[AsyncRuntime]:
        """Return the runtimes, oldest first; ``all``: dead ones too."""
        found = await self._ask(RuntimeList(all=all), list[AsyncRuntime])
        return [each._of(self) for each in found]

    async def eval(
        self,
        code: str,
        *,
        project: str,
        wait_s: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> AsyncExecution:
        """Run code in the one runtime of a project, as `runt eval` does; started if need be."""
        given: Any = {**of_caller(), **options, "project": absolute(project)}
        return await self._execution(ExecutionEval(code=code, wait_s=wait_s, **given))

    async def execution(self, execution: str) -> AsyncExecution:
        """Return an execution by its id, with its outputs."""
        return await self._execution(ExecutionGet(execution=execution))

    def history(self, **options: Unpack[HistoryOptions]) -> AsyncIterator[AsyncExecution]:
        """Iterate over executions, newest first, without outputs."""
        return history(self, None, options)

    def events(self, **options: Unpack[EventOptions]) -> AsyncEvents:
        """Return an asynchronous iterator over the events, which does not end by itself.

        It subscribes when it is entered, or with its first event, and goes on where it was after a
        restart of the daemon. ``since`` is a cursor, or 'start'.
        """
        self._check_open()
        return AsyncEvents(self, EventsSubscribe(**options))

    async def blob(self, sha256: str) -> bytes:
        """Return a large value's bytes."""
        return b64decode((await self.call(BlobGet(sha256=sha256))).data)

    async def aclose(self) -> None:
        """Hang up. Calls that other tasks are waiting for, and events, end by themselves.

        What is asked later raises `ClientClosed`.
        """
        self._is_closed = True
        idle, self._idle = self._idle, []
        for lines in idle:
            await lines.aclose()

    async def __aenter__(self) -> Self:
        async with self._connection():
            return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _execution(self, call: Call[ExecutionDocument]) -> AsyncExecution:
        return await self._whole((await self._ask(call, AsyncExecution))._of(self))

    async def _whole(self, execution: AsyncExecution) -> AsyncExecution:
        """Fetch the large values of an execution's outputs into their places."""
        if found := await self._values(missing_blobs(execution)):
            put_blobs(execution, found)
        return execution

    async def _values(self, references: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Fetch what blob references stand for, by SHA-256."""
        return {
            each["blob"]: of_blob(each, (await self.call(BlobGet(sha256=each["blob"]))).data)
            for each in references
        }

    @asynccontextmanager
    async def _connection(self, patience: Patience | None = None) -> AsyncIterator[AsyncLines]:
        """Lend a connection that nobody else uses; one that was closed meanwhile is not kept."""
        self._check_open()
        lines = self._kept() or await self._opened(patience or Patience(self._patience_s))
        try:
            yield lines
        except ApiError:
            self._keep(lines)
            raise
        except BaseException:
            lines.close()  # its answer may be on its way
            raise
        self._keep(lines)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClientClosed

    async def _opened(self, patience: Patience) -> AsyncLines:
        """Make a new connection. Raises `DaemonUnreachable`, `NotRuntimed` or `Denied`."""
        while True:
            patience.check()
            try:
                lines = await dialled(
                    self._path, self._kind, starts=self._starts, agent=self._agent
                )
            except CallFailed as failure:
                if not goes_on(failure, starts=self._starts, was_connected=self._was_connected):
                    raise raised(failure) from None
                pause_s = patience.pause_s(failure)
            else:
                self._was_connected = True
                patience.answered()
                return lines
            await asyncio.sleep(pause_s)

    def _kept(self) -> AsyncLines | None:
        while self._idle:
            lines = self._idle.pop()
            if lines.is_quiet:
                return lines
            lines.close()
        return None

    def _keep(self, lines: AsyncLines) -> None:
        if not self._is_closed and lines.is_quiet and len(self._idle) < _MAX_IDLE:
            self._idle.append(lines)
        else:
            lines.close()
