"""One piece of code at a time: submitted, followed to its end, asked for, interrupted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runt import exits
from runt.ids import new_id, short
from runt.repl.prompting import Dismissed
from runt.session import GONE
from runtimed.client.connecting import CallFailed
from runtimed.model.text import without_ansi

if TYPE_CHECKING:
    from asyncio import Future

    from runt.repl.kernel import Kernel
    from runt.repl.painter import Painter
    from runt.repl.prompting import Asks
    from runt.repl.view import Cell, View


#: So much of what was printed before a question is edited with it, and so much of the question:
#: a prompt is drawn anew with every key.
_MOST_LINE_CHARS = 500
_MOST_PROMPT_CHARS = 2000


def _bounded(prompt: str) -> str:
    if len(prompt) <= _MOST_PROMPT_CHARS:
        return prompt
    return "…" + without_ansi(prompt)[-_MOST_PROMPT_CHARS:]


class Evaluations:
    """Runs code of ours. `interrupt` and `detach` are called meanwhile, as is `on_cell`."""

    def __init__(self, kernel: Kernel, view: View, painter: Painter, asks: Asks) -> None:
        self._kernel, self._view, self._painter, self._asks = kernel, view, painter, asks
        self._id: str | None = None
        self._status = ""
        self._question: dict[str, Any] | None = None
        self._is_asked = False
        self._interrupts = 0
        self._is_detached = False
        self._changed = asyncio.Event()
        #: How many ended otherwise than well.
        self.errors = 0

    @property
    def is_running(self) -> bool:
        """Whether a person waits for one."""
        return self._id is not None

    async def run(self, code: str) -> None:
        """Run the code, and return when it is over, or left running. Raises `CallFailed`."""
        self._id = id = new_id()
        self._status, self._question, self._interrupts = "queued", None, 0
        self._is_detached = False
        if self._view.running:
            self._painter.put_line("it waits for what runs already; Ctrl-C cancels it\n")
        self._view.ours.add(id)
        params = {"runtime": self._kernel.id, "id": id, "code": code}
        submitted = self._kernel.ask("execution.submit", params)
        submitted.add_done_callback(lambda _: self._changed.set())
        try:
            if self._asks.take_interrupt():
                self.interrupt()
            while not self._is_over:
                await self._changed.wait()
                self._changed.clear()
                if submitted.done():
                    submitted.result()
                if (question := self._unasked()) is not None:
                    await self._answer(question)
            await self._painter.drained()
        finally:
            self._id = None

    def _unasked(self) -> dict[str, Any] | None:
        """Return what the code asks, if the person has not been asked yet."""
        return None if self._is_asked else self._question

    @property
    def _is_over(self) -> bool:
        return self._is_detached or self._status in exits.BY_STATUS

    def on_cell(self, cell: Cell) -> None:
        """Take note of what became of an execution; what was printed before is shown."""
        is_over = cell.status in exits.BY_STATUS
        if cell.is_ours and is_over:
            self.errors += cell.status in ("error", "kernel_died", "lost")
        if cell.document["id"] != self._id:
            return
        self._status = cell.status
        question = cell.document.get("input") if cell.status == "waiting_input" else None
        if question is None:
            if self._question is not None:
                self._asks.dismiss(Dismissed())
            self._is_asked = False
        self._question = question
        self._changed.set()

    async def _answer(self, question: dict[str, Any]) -> None:
        """Ask the person, and answer the kernel; somebody else may be faster."""
        self._is_asked = True
        line = self._painter.take_line(_MOST_LINE_CHARS)
        prompt = _bounded(question.get("prompt") or "")
        await self._painter.drained()
        id = self._id
        params: dict[str, Any] = {"execution": id, "value": ""}
        try:
            params["value"] = await self._asks.line(
                f"{line}{prompt}", secret=bool(question.get("password"))
            )
        except EOFError:
            params["eof"] = True
        except KeyboardInterrupt:
            self.interrupt()
            return
        except Dismissed:
            return
        finally:
            self._view.settle(goes_on=True)
        self._kernel.ask("execution.input", params).add_done_callback(self._answered)

    def _answered(self, answer: Future[Any]) -> None:
        failure = None if answer.cancelled() else answer.exception()
        if not isinstance(failure, CallFailed) or failure.name == "NotWaitingForInput":
            return
        self._painter.put_line(f"{failure}\n")
        if failure.name in GONE:
            self._is_asked = False  # where it waits still, the person is asked again
            self._changed.set()

    def interrupt(self) -> None:
        """Interrupt what runs, or cancel it; the second time leave it alone."""
        self._interrupts += 1
        self._painter.put("\n")  # the terminal has written ^C
        if self._id is None or self._status in exits.BY_STATUS:
            self._view.skip()
        elif self._interrupts > 1:
            id = short(self._id)
            said = f"{id} is left running; what it prints appears here, `runt interrupt {id}` ends"
            self._painter.put_line(f"{said} it\n")
            self.detach()
        else:
            asked = self._kernel.ask("execution.interrupt", {"execution": self._id})
            asked.add_done_callback(self._interrupted)

    def _interrupted(self, answer: Future[Any]) -> None:
        """Say what came of the interrupt, where that is not what it was for."""
        failure = None if answer.cancelled() else answer.exception()
        if isinstance(failure, CallFailed):
            self._painter.put_line(f"{str(failure).rstrip('.')}; Ctrl-C again leaves it running\n")
        elif failure is None and not answer.cancelled():
            result = answer.result()
            if result.get("ended", True):
                self._view.hurry()
            elif self._status not in exits.BY_STATUS:
                how = f"the interrupt was delivered ({result['how']}) and has not taken effect yet"
                self._painter.put_line(f"{how}; Ctrl-C again leaves it running\n")

    def detach(self) -> None:
        """Stop waiting; what was submitted runs on."""
        self._is_detached = True
        self._asks.dismiss(Dismissed())
        self._changed.set()
