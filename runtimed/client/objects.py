"""Runtimes and executions of the blocking client: documents that one can ask more of."""

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
    from collections.abc import Iterator
    from types import TracebackType

    from runtimed.client.blocking import Client
    from runtimed.client.events import Events
    from runtimed.client.options import EventOptions, HistoryOptions, SubmitOptions

#: Executions that one call of `history` fetches.
_PAGE = 100


class Runtime(RuntimeDocument, kw_only=True, dict=True):
    """A runtime. Its fields are those of the API's document, as they were when it was fetched.

    As a context manager it is stopped at the end; its record stays.
    """

    @property
    def _client(self) -> Client:
        client: Client = client_of(self)
        return client

    def _of(self, client: Client) -> Self:
        self.__dict__["client"] = client
        return self

    def eval(
        self, code: str, *, wait_s: float | None = None, **options: Unpack[SubmitOptions]
    ) -> Execution:
        """Run code, wait until it is final, or for ``wait_s``, and return what there is."""
        call = ExecutionEval(code=code, runtime=self.id, wait_s=wait_s, **options)
        return self._client._whole(self._client._ask(call, Execution)._of(self._client))

    def submit(self, code: str, **options: Unpack[SubmitOptions]) -> Execution:
        """Queue code and return at once."""
        call = ExecutionSubmit(code=code, runtime=self.id, **options)
        return self._client._ask(call, Execution)._of(self._client)

    def interrupt(self, *, force: bool = False) -> types.Interrupted:
        """Interrupt what the kernel is running."""
        return self._client.call(RuntimeInterrupt(runtime=self.id, force=force))

    def restart(self, *, force: bool = False) -> types.Ended:
        """End the kernel and start it anew; it is the same runtime."""
        return self._ended(self._client.call(RuntimeRestart(runtime=self.id, force=force)))

    def stop(self, *, force: bool = False) -> types.Ended:
        """End the kernel; say how."""
        return self._ended(self._client.call(RuntimeStop(runtime=self.id, force=force)))

    def _ended(self, ended: types.Ended) -> types.Ended:
        self._update(ended.runtime)
        return ended

    def variables(self) -> list[types.Variable]:
        """Look at the variables of a Python kernel."""
        return self._client.call(RuntimeVariables(runtime=self.id)).variables

    def history(self, **options: Unpack[HistoryOptions]) -> Iterator[Execution]:
        """Iterate over its executions, newest first, without outputs."""
        return history(self._client, self.id, options)

    def events(self, **options: Unpack[EventOptions]) -> Events:
        """Subscribe to its events, as `Client.events` does."""
        mine: EventOptions = {**options, "runtime": self.id}
        return self._client.events(**mine)

    def refresh(self) -> Self:
        """Bring it up to date."""
        self._update(self._client.call(RuntimeGet(runtime=self.id)))
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class Execution(ExecutionDocument, kw_only=True, dict=True):
    """An execution. Its fields are those of the API's document, as they were when it was fetched.

    ``outputs`` are null where it came from a list, or has not been waited for; what is drawn from
    them (`text`, `png`, ...) fetches them then. Large values are fetched with them.
    """

    @property
    def _client(self) -> Client:
        client: Client = client_of(self)
        return client

    def _of(self, client: Client) -> Self:
        self.__dict__["client"] = client
        return self

    def wait(self, wait_s: float | None = None) -> Self:
        """Wait until it is final, or for ``wait_s``, and bring it up to date."""
        return self._fetch(ExecutionWait(execution=self.id, wait_s=wait_s))

    def refresh(self) -> Self:
        """Bring it up to date, with its outputs."""
        return self._fetch(ExecutionGet(execution=self.id))

    def _fetch(self, call: ExecutionGet | ExecutionWait) -> Self:
        self._update(self._client._whole(self._client._ask(call, Execution)))
        return self

    def _shown(self) -> list[types.Output]:
        if self.outputs is None:
            self.refresh()
        return super()._shown()

    def stream(self) -> Iterator[types.Output]:
        """Iterate over its outputs as they come, from its first one until it is final.

        Text comes in the pieces that the kernel sent. What `clear_output` takes away has been
        shown by then, and an updated display comes again; `outputs` are as a notebook shows them.
        """
        self.refresh()
        if self.is_final:
            yield from self._shown()
            return
        types_: Any = ["output", "execution"]
        with self._client.events(since="start", execution=self.id, types=types_) as events:
            for event in events:
                if event.type == "execution" and event.data.get("status") in types.FINAL:
                    break
                if event.type == "output" and (piece := piece_of(self._whole(event.data))):
                    yield piece
        self.refresh()

    def _whole(self, operation: dict[str, Any]) -> dict[str, Any]:
        found = self._client._values(in_operation(operation))
        whole: dict[str, Any] = with_blobs(operation, found)
        return whole

    def lines(self) -> Iterator[str]:
        """Iterate over all lines of its text that there are, however many."""
        cursor, more = 0, True
        while more:
            page = self._client.call(ExecutionOutput(execution=self.id, cursor=cursor))
            yield from page.lines
            cursor, more = page.cursor, page.more
        if page.unfinished:
            yield page.unfinished

    def interrupt(self, *, force: bool = False) -> types.Interrupted:
        """Interrupt it where it runs, cancel it where it is queued."""
        return self._client.call(ExecutionInterrupt(execution=self.id, force=force))

    def cancel(self) -> Self:
        """Cancel it where it is still queued."""
        self._update(self._client.call(ExecutionCancel(execution=self.id)))
        return self

    def reply(self, value: str, *, eof: bool = False) -> None:
        """Answer what it asks for (`input`)."""
        self._client.call(ExecutionInput(execution=self.id, value=value, eof=eof))


def history(client: Client, runtime: str | None, options: HistoryOptions) -> Iterator[Execution]:
    """Iterate over executions, newest first, a page at a time."""
    filters: Any = {"runtime": runtime, "limit": _PAGE, **options}
    last: Execution | None = None
    seen: set[str] = set()
    while True:
        try:
            page = client._ask(ExecutionList(**filters), list[Execution])
        except ExecutionNotFound:
            if last is None:
                raise
            # It was forgotten meanwhile: what was submitted then and before goes on from there.
            filters["before"], filters["until"] = None, just_after(last)
            last = None
            continue
        yield from (each._of(client) for each in page if each.id not in seen)
        if len(page) < _PAGE:
            return
        seen = {each.id for each in page}
        last = page[-1]
        filters["before"] = last.id
