"""Where the lines of an execution's text are, so that a few can be read without all the others.

The text is that of the folded outputs (`text.output_lines`). Of a stream only the places of its
line ends are kept, and not its text, which may be hundreds of megabytes: the operations are read
twice, once for the index, and from the right place on for the lines.
"""

from __future__ import annotations

import bisect
from collections import deque
from typing import TYPE_CHECKING, Any

from runtimed.model.outputs import Folder
from runtimed.model.text import output_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runtimed.model.outputs import Gathered, Operation

    #: Yields the operations from a seq on, each with its own.
    Since = Callable[[int], Iterator[tuple[int, Operation]]]
    Read = Callable[[dict[str, Any]], dict[str, Any]]

#: A stream's place is noted after so many lines.
_MARK_LINES = 1_000
#: So much is known of the end of a line that has not ended, without its being read.
OPEN_END_CHARS = 4096


class _Stream:
    """One stream output: how many lines it has, and where to begin to read for one of them.

    Its operations are all those of streams from its first to its last: anything between two that
    is shown would have ended it.
    """

    __slots__ = ("_index", "has_open_line", "last_seq", "line_ends", "marks", "open_end")

    def __init__(self, index: LineIndex) -> None:
        self._index = index
        self.line_ends = 0
        self.has_open_line = False
        self.open_end = ""
        self.last_seq = 0
        #: The seq of an operation, and how many lines have ended before it.
        self.marks: list[tuple[int, int]] = []

    def append(self, text: str) -> None:
        if not text:
            return
        self.last_seq = self._index.seq
        if not self.marks or self.line_ends - self.marks[-1][1] >= _MARK_LINES:
            self.marks.append((self.last_seq, self.line_ends))
        line_ends = text.count("\n")
        self.line_ends += line_ends
        *_, end = text[-OPEN_END_CHARS:].split("\n")
        self.open_end = end if line_ends else (self.open_end + end)[-OPEN_END_CHARS:]
        self.has_open_line = not text.endswith("\n")

    def __len__(self) -> int:
        return self.line_ends + self.has_open_line

    def lines(self, first: int, since: Since) -> Iterator[list[str]]:
        """Yield its lines from this one on, in stretches."""
        # The line that goes on where an operation begins may have begun before it.
        place = max(0, bisect.bisect_left(self.marks, first, key=lambda mark: mark[1]) - 1)
        seq, ended = self.marks[place]
        skip = first - ended
        begun: list[str] = []
        for number, op in since(seq):
            if number > self.last_seq:
                break
            if op["op"] != "stream":
                continue
            *before, text = op["text"].split("\n", skip)
            if len(before) < skip:
                skip -= len(before)
                continue
            skip = 0
            head, *rest = text.split("\n")
            begun.append(head)
            if rest:
                last = rest.pop()
                yield ["".join(begun), *rest]
                begun = [last]
        if line := "".join(begun):
            yield [line]


class LineIndex(Folder):
    """Folds operations, and knows where the lines of their text are."""

    def __init__(self, mime: str | None = None, read: Read = dict) -> None:
        super().__init__()
        self._mime = mime
        self._read = read
        #: Of the operation that is being folded.
        self.seq = 0
        self._sections: list[tuple[int, _Stream | list[str]]] = []
        self._total = 0

    @classmethod
    def of(
        cls,
        operations: Iterable[tuple[int, Operation]],
        mime: str | None = None,
        read: Read = dict,
    ) -> LineIndex:
        """Return the index of operations, each with its seq; ``mime`` as for `output_lines`.

        ``read`` returns an output with the text of it that lies elsewhere.
        """
        index = cls(mime, read)
        for index.seq, op in operations:
            index.apply(op)
        for section in index._parts():
            index._sections.append((index._total, section))
            index._total += len(section)
        return index

    def __len__(self) -> int:
        """How many lines there are, one that has not ended among them."""
        return self._total

    @property
    def is_open(self) -> bool:
        """Whether the last line may still grow: the last output is a stream without a line end."""
        return bool(self.open_end)

    @property
    def open_end(self) -> str:
        """The end of that line, of a long one `OPEN_END_CHARS`; empty where there is none."""
        stream = self._streams.get(len(self._outputs) - 1)
        return stream.open_end if isinstance(stream, _Stream) else ""

    def read(self, first: int, most: int, most_chars: int, since: Since) -> list[str]:
        """Return the lines from this one on: so many at most, and one at least if there is any.

        ``since`` reads the operations that it was made from once more.
        """
        found: list[str] = []
        chars = 0
        for stretch in self._stretches(first, since):
            for line in stretch:
                if len(found) == most or (found and chars + len(line) > most_chars):
                    return found
                found.append(line)
                chars += len(line) + 1
        return found

    def read_last(
        self, first: int, end: int, most: int, most_chars: int, since: Since
    ) -> list[str]:
        """Return the lines from one to before another: of too many the last, as `read` counts."""
        found: deque[str] = deque()
        chars, number = 0, max(first, end - most)
        if number >= end:
            return []
        for stretch in self._stretches(number, since):
            for line in stretch[: end - number]:
                found.append(line)
                chars += len(line) + 1
                while chars > most_chars and len(found) > 1:
                    chars -= len(found.popleft()) + 1
            number += len(stretch)
            if number >= end:
                break
        return [*found]

    def _stretches(self, first: int, since: Since) -> Iterator[list[str]]:
        place = bisect.bisect_right(self._sections, first, key=lambda section: section[0]) - 1
        for begin, section in self._sections[max(0, place) :]:
            wanted = max(0, first - begin)
            if wanted >= len(section):
                continue
            if isinstance(section, _Stream):
                yield from section.lines(wanted, since)
            else:
                yield section[wanted:]

    def _parts(self) -> Iterator[_Stream | list[str]]:
        """Yield what has lines, in order."""
        for place, output in enumerate(self._outputs):
            stream: Any = self._streams.get(place)
            section = output_lines([self._read(output)], self._mime) if stream is None else stream
            if section:
                yield section

    def _gather(self) -> Gathered:
        return _Stream(self)
