"""Runtimes and executions of asyncio's client: objects.py with ``await``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, Unpack

from runtimed.api import types
from runtimed.api.errors import ExecutionNotFound
from runtimed.api.executions import (
    ExecutionCancel,
    ExecutionEval,
    ExecutionGet,
    ExecutionInput,
    ExecutionInterrupt,
    ExecutionList,
    ExecutionOutput,
    ExecutionSubmit,
    ExecutionWait,
)
from runtimed.api.runtimes import (
    RuntimeGet,
    RuntimeInterrupt,
    RuntimeRestart,
    RuntimeStop,
    RuntimeVariables,
)
from runtimed.client.blobs import in_operation, with_blobs
from runtimed.client.documents import (
    ExecutionDocument,
    RuntimeDocument,
    client_of,
    just_after,
    piece_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from runtimed.client.aio import AsyncClient
    from runtimed.client.aio_events import AsyncEvents
    from runtimed.client.options import EventOptions, HistoryOptions, SubmitOptions

#: Executions that one call of `history` fetches.
_PAGE = 100


class AsyncRuntime(RuntimeDocument, kw_only=True, dict=True):
    """A runtime. Its fields are those of the API's document, as they were when it was fetched.

    As a context manager it is stopped at the end; its record stays.
    """

    @property
    def _client(self) -> AsyncClient:
        client: AsyncClient = client_of(self)
        return client

    def _of(self, client: AsyncClient) -> Self:
        self.__dict__["client"] = client
        return self

    async def eval(
        self, code: str, *, wait_s: float | None = None, **options: Unpack[SubmitOptions]
    ) -> AsyncExecution:
        """Run code, wait until it is final, or for ``wait_s``, and return what there is."""
        call = ExecutionEval(code=code, runtime=self.id, wait_s=wait_s, **options)
        execution = await self._client._ask(call, AsyncExecution)
        return await self._client._whole(execution._of(self._client))

    async def submit(self, code: str, **options: Unpack[SubmitOptions]) -> AsyncExecution:
        """Queue code and return at once."""
        call = ExecutionSubmit(code=code, runtime=self.id, **options)
        return (await self._client._ask(call, AsyncExecution))._of(self._client)

    async def interrupt(self, *, force: bool = False) -> types.Interrupted:
        """Interrupt what the kernel is running."""
        return await self._client.call(RuntimeInterrupt(runtime=self.id, force=force))

    async def restart(self, *, force: bool = False) -> types.Ended:
        """End the kernel and start it anew; it is the same runtime."""
        return self._ended(await self._client.call(RuntimeRestart(runtime=self.id, force=force)))

    async def stop(self, *, force: bool = False) -> types.Ended:
        """End the kernel; say how."""
        return self._ended(await self._client.call(RuntimeStop(runtime=self.id, force=force)))

    def _ended(self, ended: types.Ended) -> types.Ended:
        self._update(ended.runtime)
        return ended

    async def variables(self) -> list[types.Variable]:
        """Look at the variables of a Python kernel."""
        return (await self._client.call(RuntimeVariables(runtime=self.id))).variables

    def history(self, **options: Unpack[HistoryOptions]) -> AsyncIterator[AsyncExecution]:
        """Iterate over its executions, newest first, without outputs."""
        return history(self._client, self.id, options)

    def events(self, **options: Unpack[EventOptions]) -> AsyncEvents:
        """Subscribe to its events, as `AsyncClient.events` does."""
        mine: EventOptions = {**options, "runtime": self.id}
        return self._client.events(**mine)

    async def refresh(self) -> Self:
        """Bring it up to date."""
        self._update(await self._client.call(RuntimeGet(runtime=self.id)))
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()


class AsyncExecution(ExecutionDocument, kw_only=True, dict=True):
    """An execution. Its fields are those of the API's document, as they were when it was fetched.

    ``outputs`` are null where it came from a list, or has not been waited for; what is drawn from
    them (`text`, `png`, ...) is `NotFetched` then, until `refresh`. Large values are fetched with
    them.
    """

    @property
    def _client(self) -> AsyncClient:
        client: AsyncClient = client_of(self)
        return client

    def _of(self, client: AsyncClient) -> Self:
        self.__dict__["client"] = client
        return self

    async def wait(self, wait_s: float | None = None) -> Self:
        """Wait until it is final, or for ``wait_s``, and bring it up to date."""
        return await self._fetch(ExecutionWait(execution=self.id, wait_s=wait_s))

    async def refresh(self) -> Self:
        """Bring it up to date, with its outputs."""
        return await self._fetch(ExecutionGet(execution=self.id))

    async def _fetch(self, call: ExecutionGet | ExecutionWait) -> Self:
        self._update(await self._client._whole(await self._client._ask(call, AsyncExecution)))
        return self

    async def stream(self) -> AsyncIterator[types.Output]:
        """Iterate over its outputs as they come, from its first one until it is final.

        Text comes in the pieces that the kernel sent. What `clear_output` takes away has been
        shown by then, and an updated display comes again; `outputs` are as a notebook shows them.
        """
        await self.refresh()
        if self.is_final:
            for output in self._shown():
                yield output
            return
        types_: Any = ["output", "execution"]
        events = self._client.events(since="start", execution=self.id, types=types_)
        async with events:
            async for event in events:
                if event.type == "execution" and event.data.get("status") in types.FINAL:
                    break
                if event.type == "output" and (piece := piece_of(await self._whole(event.data))):
                    yield piece
        await self.refresh()

    async def _whole(self, operation: dict[str, Any]) -> dict[str, Any]:
        found = await self._client._values(in_operation(operation))
        whole: dict[str, Any] = with_blobs(operation, found)
        return whole

    async def lines(self) -> AsyncIterator[str]:
        """Iterate over all lines of its text that there are, however many."""
        cursor, more = 0, True
        while more:
            page = await self._client.call(ExecutionOutput(execution=self.id, cursor=cursor))
            for line in page.lines:
                yield line
            cursor, more = page.cursor, page.more
        if page.unfinished:
            yield page.unfinished

    async def interrupt(self, *, force: bool = False) -> types.Interrupted:
        """Interrupt it where it runs, cancel it where it is queued."""
        return await self._client.call(ExecutionInterrupt(execution=self.id, force=force))

    async def cancel(self) -> Self:
        """Cancel it where it is still queued."""
        self._update(await self._client.call(ExecutionCancel(execution=self.id)))
        return self

    async def reply(self, value: str, *, eof: bool = False) -> None:
        """Answer what it asks for (`input`)."""
        await self._client.call(ExecutionInput(execution=self.id, value=value, eof=eof))


async def history(
    client: AsyncClient, runtime: str | None, options: HistoryOptions
) -> AsyncIterator[AsyncExecution]:
    """Iterate over executions, newest first, a page at a time."""
    filters: Any = {"runtime": runtime, "limit": _PAGE, **options}
    last: AsyncExecution | None = None
    seen: set[str] = set()
    while True:
        try:
            page = await client._ask(ExecutionList(**filters), list[AsyncExecution])
        except ExecutionNotFound:
            if last is None:
                raise
            # It was forgotten meanwhile: what was submitted then and before goes on from there.
            filters["before"], filters["until"] = None, just_after(last)
            last = None
            continue
        for each in page:
            if each.id not in seen:
                yield each._of(client)
        if len(page) < _PAGE:
            return
        seen = {each.id for each in page}
        last = page[-1]
        filters["before"] = last.id
