"""Wait for an execution on behalf of a model: with progress, with questions, never for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtimed.api.errors import ApiError, NotWaitingForInput, StaleInput
from runtimed.api.executions import ExecutionGet, ExecutionInput, ExecutionOutput
from runtimed.api.types import FINAL
from runtimed.mcp.caller import Asked, Question
from runtimed.mcp.telling import asked_for
from runtimed.model.text import without_ansi

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runtimed.api.types import Execution
    from runtimed.client.aio_events import AsyncEvents
    from runtimed.mcp.caller import Caller, Reply
    from runtimed.mcp.desk import Desk

#: Seconds that the person has for an answer, at least: hosts end a call after 60.
ASK_S = 25.0
#: Seconds between two progress notifications: the first one comes soon.
_FIRST_PROGRESS_S, _PROGRESS_S = 1.0, 5.0
_LINE_CHARS = 120
#: Of a line that is written over again and again, so much is looked at.
_LOOK_CHARS = 4096
_UNUSED = "The person's reply was not used: that question had been answered already."


class Wait:
    """One call's waiting: it is over at ``deadline_s``, whatever is waited for meanwhile."""

    def __init__(self, desk: Desk, caller: Caller, wait_s: float) -> None:
        self._desk = desk
        self._caller = caller
        self._wait_s = wait_s
        self._clock = asyncio.get_running_loop().time
        self._begun_s = self._clock()
        self._pause_s = _FIRST_PROGRESS_S
        self.deadline_s = self._begun_s + wait_s
        #: What the model is to be told besides.
        self.notes: tuple[str, ...] = ()

    @property
    def left_s(self) -> float:
        """What is left of it."""
        return max(0.0, self.deadline_s - self._clock())

    async def attend(
        self, id: str, begin: Callable[[], Awaitable[Execution]] | None = None
    ) -> Execution:
        """Return the execution when it is over, waits for input, or the time is.

        ``begin`` submits it, if it has yet to be. Where the person can be asked for what it waits
        for, that happens here. Raises `Asked` where that takes another round.
        """
        async with self._desk.client.events(execution=id, types=["execution", "input"]) as events:
            execution = await (begin or (lambda: self._document(id)))()
            if self._caller.resume not in (None, _question_id(execution)):
                self.notes = (_UNUSED,)
            while True:
                execution = await self._settled(execution, events)
                if not self._may_ask(execution):
                    return execution
                reply = await self._asked(execution, events)
                if reply is not None and not reply.declined:
                    await self._answer(execution, reply)
                asked, execution = execution, await self._document(id)
                if _question_id(asked) == _question_id(execution):
                    return execution  # not answered, or its answer is on the way

    async def _settled(self, execution: Execution, events: AsyncEvents) -> Execution:
        while not _is_settled(execution):
            now_s = self._clock()
            if now_s >= self.deadline_s:
                break
            try:
                async with asyncio.timeout_at(min(self.deadline_s, now_s + self._pause_s)):
                    await anext(events)
            except TimeoutError:
                if self._clock() < self.deadline_s:
                    await self._report(execution)
                continue
            execution = await self._document(execution.id)
        return execution

    def _may_ask(self, execution: Execution) -> bool:
        """A password is for the person's terminal: here it would go through a model's host."""
        wanted = execution.input
        return (
            execution.status == "waiting_input"
            and not self._desk.scope.read_only
            and self._caller.can_ask
            and wanted is not None
            and not wanted.password
        )

    async def _asked(self, execution: Execution, events: AsyncEvents) -> Reply | None:
        """Return what the person said; None where nothing was said in time, or is needed no more.

        Raises `Asked`.
        """
        prompt = asked_for(execution).strip()
        said_of_last = f"({_UNUSED})\n" if self.notes else ""
        question = Question(said_of_last + (prompt or "The code waits for a line of input."))
        until_s = max(self.deadline_s, self._clock() + ASK_S)

        async def ask() -> Reply | Asked | None:
            try:
                async with asyncio.timeout_at(until_s):
                    return await self._caller.ask(question, _question_id(execution))
            except TimeoutError:
                return None
            except Asked as asked:  # a task group would wrap it
                return asked

        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask())
            watching = tasks.create_task(self._answered_elsewhere(execution, events))
            await asyncio.wait((asking, watching), return_when=asyncio.FIRST_COMPLETED)
            said = asking.result() if asking.done() else None
            asking.cancel()
            watching.cancel()
        if isinstance(said, Asked):
            raise said
        return said

    async def _answered_elsewhere(self, asked: Execution, events: AsyncEvents) -> None:
        """Return when the execution asks for that no more, or that cannot be told any more."""
        now = asked
        try:
            while _question_id(now) == _question_id(asked):
                try:
                    async with asyncio.timeout(self._pause_s):
                        await anext(events)
                except TimeoutError:
                    await self._report(now)
                    continue
                now = await self._document(asked.id)
        except ApiError:
            pass  # who asks for the execution next is told

    async def _answer(self, execution: Execution, reply: Reply) -> None:
        request = execution.input.request or None if execution.input else None
        call = ExecutionInput(execution=execution.id, value=reply.value, request=request)
        try:
            await self._desk.call(call)
        except (NotWaitingForInput, StaleInput):
            self.notes = (_UNUSED,)  # Somebody else was first.

    async def _report(self, execution: Execution) -> None:
        self._pause_s = min(2 * self._pause_s, _PROGRESS_S)
        if not self._caller.wants_progress:
            return
        try:
            said = await self._last_line(execution)
        except ApiError:
            said = ""  # whoever waits for the execution is told
        waited_s = self._clock() - self._begun_s
        await self._caller.progress(waited_s, self._wait_s, said or execution.status)

    async def _last_line(self, execution: Execution) -> str:
        page = await self._desk.call(
            ExecutionOutput(execution=execution.id, tail=1, unfinished_chars=_LOOK_CHARS)
        )
        line = page.unfinished or (page.lines[-1] if page.lines else "")
        parts = [part for part in without_ansi(line).split("\r") if part.strip()]
        return parts[-1].strip()[-_LINE_CHARS:] if parts else ""

    async def _document(self, id: str) -> Execution:
        return await self._desk.call(ExecutionGet(execution=id, outputs=False))


def _is_settled(execution: Execution) -> bool:
    return execution.status in FINAL or execution.status == "waiting_input" or execution.detached


def _question_id(execution: Execution) -> str:
    """Return what tells what it asks for now from all else that it asks for."""
    return f"{execution.id} {execution.input.request if execution.input else ''}"


def execution_resumed(resume: str) -> str:
    """Return the id of the execution that an earlier round of a call had asked for."""
    return resume.partition(" ")[0]
