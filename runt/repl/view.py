"""From events to what a person sees: outputs as they come, others' work marked with who did it.

One task takes the events in their order; what a later one needs (a blob, a document) is waited for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runt import exits, outputs
from runt.ids import short
from runt.repl import words
from runt.repl.colours import Colours
from runt.shows import ended_sentence, gap_sentence
from runtimed.client.connecting import CallFailed
from runtimed.model.text import without_ansi, without_commands

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runt.repl.painter import Painter

    Event = dict[str, Any]
    Call = Callable[[str, dict[str, Any]], Awaitable[Any]]

#: Of one value or text so much is shown; `runt output` has the rest.
_MOST_CHARS = 200_000
#: With more than this waiting to be shown, no more is read for a while.
_ENOUGH_EVENTS = 500


@dataclass(slots=True)
class Cell:
    """An execution as it is shown. ``document`` is kept up with its events."""

    document: dict[str, Any]
    is_ours: bool
    is_marked: bool = False
    clears: bool = False

    @property
    def status(self) -> str:
        return str(self.document["status"])


def _is_ours(cell: Cell | None) -> bool:
    """Say whether a person here has entered it: what others print does not command a terminal."""
    return cell is not None and cell.is_ours


class View:
    """What is known and shown of a runtime's executions. Its task is `run`.

    ``ours`` are those that were submitted here: their code stands at a prompt already.
    """

    def __init__(
        self,
        call: Call,
        painter: Painter,
        read: Callable[[bool], None],
        *,
        on_runtime: Callable[[dict[str, Any]], None],
        on_cell: Callable[[Cell], None],
    ) -> None:
        self._make_call, self._painter, self._read = call, painter, read
        self._on_runtime, self._on_cell = on_runtime, on_cell
        self._colours = Colours()
        self._cells: dict[str, Cell] = {}
        self._shown: dict[str, int | None] = {}
        #: Where a display is shown: its updates are told of every execution that shows it.
        self._displays: dict[str, str | None] = {}
        self._speaker: str | None = None
        self._last_display: str | None = None
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._calls = 0
        self._hurries = False
        self.ours: set[str] = set()
        self.next_count: int | None = None

    async def run(self) -> None:
        """Show events as they come, for ever."""
        while True:
            event = await self._events.get()
            self._pace()
            await self._painter.room()
            await self._take(event)

    def take(self, events: list[Event]) -> None:
        """Take in events, to be shown in their order."""
        for event in events:
            self._events.put_nowait(event)
        self._pace()

    def _pace(self) -> None:
        """Have no more read while there is enough to show; but what is waited for is read."""
        self._read(bool(self._calls) or self._events.qsize() < _ENOUGH_EVENTS)

    async def _call(self, method: str, params: dict[str, Any]) -> Any:
        self._calls += 1
        self._pace()
        try:
            return await self._make_call(method, params)
        finally:
            self._calls -= 1

    def hurry(self) -> None:
        """Leave out what was printed and is not shown yet: it was interrupted for that."""
        self._hurries = self._events.qsize() > _ENOUGH_EVENTS // 2 or self._painter.is_behind
        if self._hurries:
            self.skip()

    def skip(self) -> None:
        """Leave out what waits to be written."""
        if self._painter.drop():
            self._painter.put("… not all of the output is shown; `runt output` has it\n")

    def settle(self, *, goes_on: bool = False) -> None:
        """Let all that was shown stand: somebody has typed, or is to. ``goes_on``: an answer."""
        self._painter.settle()
        self._last_display = None
        self._shown.clear()
        if not goes_on:
            self._speaker = None

    @property
    def running(self) -> list[Cell]:
        """The executions that are not over."""
        return [cell for cell in self._cells.values() if cell.status not in exits.BY_STATUS]

    async def _take(self, event: Event) -> None:
        if event["type"] == "runtime":
            self._on_runtime(event["data"])
            return
        if event["type"] == "output" and event["data"]["op"] == "update":
            if self._displays.get(event["data"]["display_id"]) == event["execution"]:
                is_ours = event["execution"] in self.ours
                self._update(await self._with_blobs(event["data"]), is_ours=is_ours)
            return
        cell = await self._cell_of(event)
        if cell is None:
            if event["type"] == "output":
                await self._show_output(None, event["data"])
            return
        if event["type"] == "output":
            self._mark(cell)
            await self._show_output(cell, event["data"])
        elif event["type"] == "gap":
            self._painter.put_line(self._colours.faint(gap_sentence(event["data"])) + "\n")
        elif event["type"] == "execution":
            self._changed(cell)

    async def _cell_of(self, event: Event) -> Cell | None:
        """Return the execution that the event is about, as it is after it."""
        id = event["execution"]
        if id is None:
            return None
        cell = self._cells.get(id)
        if cell is None:
            document = event["data"] if "code" in event["data"] else await self._document(id)
            if document is None:
                return None
            cell = self._cells[id] = Cell(document, is_ours=id in self.ours)
        if event["type"] == "execution":
            cell.document |= event["data"]
        return cell

    async def _document(self, id: str) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = await self._call(
                "execution.get", {"execution": id, "outputs": False}
            )
        except CallFailed:
            return None
        return document

    async def join(self, document: dict[str, Any]) -> None:
        """Show what runs already, by its document."""
        cell = self._cells.setdefault(document["id"], Cell(document, is_ours=False))
        self._mark(cell)

    def _changed(self, cell: Cell) -> None:
        count = cell.document.get("execution_count")
        if isinstance(count, int):
            self.next_count = count + 1
        if not cell.is_marked and (isinstance(count, int) or cell.status in exits.BY_STATUS):
            self._mark(cell)  # before, the kernel has not said which one it is
        if cell.status in exits.BY_STATUS:
            self._ended(cell)
        elif cell.status == "waiting_input" and not cell.is_ours:
            self._ask_elsewhere(cell)
        self._on_cell(cell)

    def _mark(self, cell: Cell) -> None:
        """Say whose code this is, once, and again where somebody else has spoken meanwhile."""
        id = cell.document["id"]
        if self._speaker == id or cell.status == "cancelled":
            return
        is_first, self._speaker = not cell.is_marked, id
        cell.is_marked = True
        self._painter.settle()
        self._shown.clear()
        if cell.is_ours and is_first:
            return
        if is_first:
            count = cell.document.get("execution_count")
            mark = self._mark_of(cell)
            self._painter.put(words.entered(mark, count, cell.document["code"]))
        else:
            mark = "" if cell.is_ours else f"{self._mark_of(cell)} "
            self._painter.put(f"{mark}In [{cell.document.get('execution_count')}] goes on\n")
        self._painter.tail.settle()

    def _mark_of(self, cell: Cell) -> str:
        return self._colours.faint(f"[{words.who(cell.document)}]")

    def _ended(self, cell: Cell) -> None:
        self._hurries = False
        if not self._painter.tail.is_at_line_start:
            self._painter.put("\n")
        document = cell.document
        sentence = ended_sentence(document["id"], cell.status, document.get("reason"))
        if sentence is not None and (cell.is_ours or cell.is_marked):
            self._painter.put_line(self._colours.alarm(sentence) + "\n")
        self._cells.pop(document["id"], None)
        if self._speaker == document["id"]:
            self._speaker = None

    def _ask_elsewhere(self, cell: Cell) -> None:
        """Say that somebody else's code waits: ours may be answered by anybody, theirs not."""
        id = short(cell.document["id"])
        is_foreign = cell.document["requested_by"].get("client") == "foreign"
        hint = "" if is_foreign else f"; `runt reply {id} TEXT` answers it"
        self._painter.put_line(self._colours.faint(f"{id} waits for input{hint}") + "\n")

    # Outputs

    async def _show_output(self, cell: Cell | None, operation: dict[str, Any]) -> None:
        operation = await self._with_blobs(operation)
        op = operation["op"]
        if op == "clear":
            if cell is not None and operation.get("wait"):
                cell.clears = True
            elif cell is not None:
                self._clear(cell)
            return
        if cell is not None and cell.clears:
            self._clear(cell)
        if op == "stream":
            if self._hurries:
                return
            self._last_display = None
            text = self._cut(operation["text"])
            self._painter.put(text if _is_ours(cell) else without_commands(text))
            return
        output = operation["output"]
        display_id = output.get("display_id")
        if not self._painter.tail.is_at_line_start:
            self._painter.put("\n")
        if display_id is not None:
            self._shown[display_id] = self._painter.tail.mark()
            self._displays[display_id] = None if cell is None else cell.document["id"]
        self._last_display = display_id
        self._painter.put(self._text_of(output, is_ours=_is_ours(cell)))

    def _clear(self, cell: Cell) -> None:
        """Take back what it has shown; what has scrolled away stays."""
        cell.clears, self._last_display = False, None
        if not self._painter.rewrite(0):
            self._painter.settle()

    def _update(self, operation: dict[str, Any], *, is_ours: bool) -> None:
        """Show a display's new value, in the old one's place where nothing came after that."""
        display_id = operation["display_id"]
        is_last = self._last_display == display_id
        if not (is_last and self._painter.rewrite(self._shown.get(display_id))):
            self._painter.put_line("")
            self._shown[display_id] = self._painter.tail.mark()
        self._last_display = display_id
        output = {"output_type": "display_data", **operation}
        self._painter.put(self._text_of(output, is_ours=is_ours))

    def _text_of(self, output: dict[str, Any], *, is_ours: bool) -> str:
        kind = output["output_type"]
        text = self._cut(outputs.of_output(output)[1])
        if not is_ours:
            text = without_commands(text)
        if not self._colours.wanted:
            text = without_ansi(text)
        if kind == "execute_result":
            prompt = self._colours.out(output.get("execution_count"))
            between = "\n" if "\n" in text.rstrip("\n") else ""
            return f"{prompt}{between}{text}"
        return text

    def _cut(self, text: str) -> str:
        if len(text) <= _MOST_CHARS:
            return text
        left = len(text) - _MOST_CHARS
        id = f" {short(self._speaker)}" if self._speaker else ""
        return f"{text[:_MOST_CHARS]}\n… {left} more characters: `runt output{id}`\n"

    async def _with_blobs(self, operation: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for reference in outputs.blobs(operation):
            try:
                blob = await self._call("blob.get", {"sha256": reference["blob"]})
                found[reference["blob"]] = outputs.of_blob(reference, blob["data"])
            except CallFailed as failure:
                found[reference["blob"]] = f"<{outputs.size(reference['size_bytes'])}: {failure}>"
        whole: dict[str, Any] = outputs.with_blobs(operation, found)
        return whole
