"""Outputs folded for a text of limited length, in limited memory, however much was put out.

What a text of so many characters cannot show anyway is not kept: the middle of a long stream, large
values after so many of them, the outputs between the first and the last ones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtimed.model.outputs import Folder
from runtimed.model.rendering.render import OMITTED
from runtimed.model.rendering.stream import Stream
from runtimed.model.rendering.tracebacks import whole

if TYPE_CHECKING:
    from runtimed.model.outputs import Gathered, Operation

#: Of more outputs than twice this, so many at each end are kept; more of them for a long text.
KEPT = 500
_CHARS_PER_OUTPUT = 50
#: Characters of values that are kept; further ones of more than `_SMALL_CHARS` are named only, and
#: those of the first and the last outputs are the last to go.
VALUE_CHARS = 32 * 1024 * 1024
_SMALL_CHARS = 2_000
_ENDS = 20


class _Text:
    """A stream's text, as much of it as can be shown."""

    def __init__(self, max_chars: int) -> None:
        self.stream = Stream(max_chars)
        self.append = self.stream.feed


class Bounded(Folder):
    """Folds operations, as a `Folder` does, and keeps what may be shown of the outputs."""

    def __init__(self, max_chars: int, since_output: int = 0) -> None:
        super().__init__()
        self._max_chars = max_chars
        self._kept = max(KEPT, max_chars // _CHARS_PER_OUTPUT)
        self._since = since_output
        #: How many outputs were forgotten before the first one wanted, and in the middle.
        self._skipped = self._dropped = 0
        self._dropped_chars = self._dropped_lines = 0
        self._value_chars = 0
        #: Name and value of the exception that was raised last.
        self.raised: tuple[str, str] | None = None

    @property
    def count(self) -> int:
        """How many outputs there are, kept or not."""
        return self._skipped + len(self._outputs) + self._dropped

    def apply(self, op: Operation) -> None:
        super().apply(self._lightened(op))
        if op["op"] == "add" and op["output"].get("output_type") == "error":
            self.raised = op["output"]["ename"], op["output"]["evalue"]
        if len(self._outputs) > 3 * self._kept:
            self._make_fewer()

    def outputs(self) -> list[dict[str, Any]]:
        """Return the outputs that are kept, from the first one wanted on.

        One of type `OMITTED` stands for those that were not kept between them.
        """
        found = super().outputs()[self._first :]
        if self._dropped:
            omitted = {
                "output_type": OMITTED,
                "outputs": self._dropped,
                "chars": self._dropped_chars,
                "lines": self._dropped_lines,
            }
            found.insert(self._kept - self._first, omitted)
        return found

    def index(self, place: int) -> int:
        """Return which output it is that is at this place among the `outputs`."""
        place += self._first
        if place > self._kept and self._dropped:
            place += self._dropped - 1  # one stood for them
        return self._skipped + place

    @property
    def _first(self) -> int:
        """The place of the first output that is wanted."""
        return max(0, self._since - self._skipped)

    def _gather(self) -> Gathered:
        return _Text(self._max_chars)

    def _gathered(self, parts: Any) -> Any:
        return parts.stream

    def _clear(self) -> None:
        super()._clear()
        self._skipped = self._dropped = self._value_chars = 0
        self._dropped_chars = self._dropped_lines = 0

    def _lightened(self, op: Operation) -> Operation:
        """Return the operation less the large values that are not wanted, or have no room."""
        shown = op.get("output") or op
        data = shown.get("data")
        if not isinstance(data, dict):
            return op
        chars = _chars(data)
        if op["op"] == "add" and self.count < self._since:
            data = _light(data)
        elif chars > _SMALL_CHARS:
            if self._value_chars + chars > VALUE_CHARS:
                self._make_room()
            if self._value_chars + chars > VALUE_CHARS:
                data = _light(data)
            else:
                self._value_chars += chars
        shown = {**shown, "data": data}
        return {**op, "output": shown} if "output" in op else shown

    def _make_room(self) -> None:
        """Forget large values of what is neither among the first nor among the last outputs."""
        for output in self._outputs[self._first + _ENDS : -_ENDS]:
            if "data" in output:
                output["data"] = _light(output["data"])
        self._value_chars = sum(_chars(output.get("data") or {}) for output in self._outputs)

    def _make_fewer(self) -> None:
        """Forget the outputs before the first one wanted, and those in the middle.

        The last one stays: a stream may go on with it.
        """
        unwanted = min(self._first, len(self._outputs) - 1)
        self._forget(0, unwanted)
        self._skipped += unwanted
        surplus = max(0, len(self._outputs) - 2 * self._kept)
        for place in range(self._kept, self._kept + surplus):
            chars, lines = self._size(place)
            self._dropped_chars += chars
            self._dropped_lines += lines
        self._forget(self._kept, surplus)
        self._dropped += surplus

    def _size(self, place: int) -> tuple[int, int]:
        """Return about how many characters and lines an output is as text."""
        if (text := self._streams.get(place)) is not None:
            stream = self._gathered(text)
            return stream.total_chars, stream.total_lines
        output = self._outputs[place]
        is_error = output["output_type"] == "error"
        plain = whole(output) if is_error else (output.get("data") or {}).get("text/plain")
        return (len(plain), plain.count("\n") + 1) if isinstance(plain, str) else (0, 1)

    def _forget(self, place: int, number: int) -> None:
        if not number:
            return
        del self._outputs[place : place + number]
        self._streams = {
            each if each < place else each - number: text
            for each, text in self._streams.items()
            if each < place or each >= place + number
        }


def _chars(data: dict[str, Any]) -> int:
    """Return how long the values of a MIME bundle are; what has to be parsed counts more."""
    return sum(_weight(mime) * _length(value) for mime, value in data.items())


def _weight(mime: str) -> int:
    return 8 if mime.endswith("json") else 4 if mime == "text/html" else 1


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return len(json.dumps(value)) if isinstance(value, dict | list) else 1


def _light(data: dict[str, Any]) -> dict[str, Any]:
    """Return a MIME bundle in which large values are named only."""
    return {
        mime: {"blob": "", "size_bytes": length, "encoding": "utf8"}
        if (length := _length(value)) > _SMALL_CHARS
        else value
        for mime, value in data.items()
    }
