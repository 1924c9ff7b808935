"""HTML as text: paragraphs, lists, links and tables; nothing of what only a browser can use."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from runtimed.model.rendering.tables import Table
from runtimed.model.text import size

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNSEEN = frozenset(
    (
        *("script", "style", "head", "template", "noscript", "svg", "object", "iframe", "select"),
        *("audio", "video"),
    )
)
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt"),
        *("fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "li"),
        *("main", "nav", "ol", "p", "pre", "section", "summary", "table", "ul"),
    )
)
#: What a page goes on with where these are not closed.
_UNCLOSED = frozenset(("iframe", "object", "select", "audio", "video"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_MOST_SPAN = 100
#: Longer HTML is a program, or data: nobody reads it, and it takes long to parse.
MOST_CHARS = 256 * 1024
#: The parser is quadratic in a tag that never ends, so it gets pieces, and no such tag at the end.
_PIECE_CHARS = 8 * 1024
#: Empty cells that spans may make in one text; after that a span is of one.
_MOST_SPANNED = 20_000
_MOST_CAPTION_CHARS = 200
#: Tables in tables; what is deeper is cells of the innermost.
_MOST_TABLES = 8


@dataclass
class _Cell:
    is_header: bool
    columns: int
    rows: int
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())


@dataclass
class _OpenTable:
    table: Table = field(default_factory=Table)
    row: list[_Cell] | None = None
    is_in_head: bool = False
    #: What stands in the table, but in no cell.
    said: list[str] = field(default_factory=list)
    #: Cells of rows above that reach into the next one: column → how many rows still.
    reaching: dict[int, int] = field(default_factory=dict)
    #: Empty cells between the last one of a row and what reaches into it.
    gaps: int = 0


def as_text(html: str, *, is_markdown: bool = False) -> str:
    """Return what there is to read in the HTML, of at most `MOST_CHARS`."""
    return _read(html, is_markdown=is_markdown).text()


def only_table(html: str) -> Table | None:
    """Return the table that the HTML is, with what stands above and below it; else None."""
    reader = _read(html, is_markdown=False)
    if len(reader.tables) != 1:
        return None
    table = reader.tables[0]
    above, below = reader.around(table)
    if not table.rows or max(map(len, table.rows)) < 2:
        return None
    if len(above) + len(table.caption) + len(below) > _MOST_CAPTION_CHARS:
        return None
    table.surround(above, below)
    return table


def _read(html: str, *, is_markdown: bool) -> _Reader:
    lowered = html.lower()
    unclosed = frozenset(tag for tag in _UNCLOSED if f"</{tag}" not in lowered)
    reader = _Reader(is_markdown=is_markdown, unclosed=unclosed)
    for begin in range(0, len(html), _PIECE_CHARS):
        reader.feed(html[begin : begin + _PIECE_CHARS])
    if len(reader.rawdata) > _PIECE_CHARS:
        rest, reader.rawdata = reader.rawdata, ""
        if reader.cdata_elem is None:
            reader.handle_data(rest)
    reader.close()
    return reader


class _Reader(HTMLParser):
    """Collects lines. Character references are converted by the parser."""

    def __init__(self, *, is_markdown: bool, unclosed: frozenset[str] = frozenset()) -> None:
        super().__init__(convert_charrefs=True)
        self._unclosed = unclosed
        self._medium = ""
        self.tables: list[Table] = []
        self._is_markdown = is_markdown
        self._parts: list[str | Table] = []
        self._unseen = 0
        self._is_in_head = False
        self._preformatted = 0
        self._links: list[str] = []
        self._open: list[_OpenTable] = []
        self._spanned = 0

    def text(self) -> str:
        """Return the lines, without space at their ends and with at most one blank line."""
        return _joined(
            part
            if isinstance(part, str)
            else f"\n{part.captioned(is_markdown=self._is_markdown)}\n"
            for part in self._parts
        )

    def around(self, table: Table) -> tuple[str, str]:
        """Return what is said above and below a table."""
        place = next(i for i, part in enumerate(self._parts) if part is table)
        above, below = self._parts[:place], self._parts[place + 1 :]
        return (
            _joined(part for part in above if isinstance(part, str)),
            _joined(part for part in below if isinstance(part, str)),
        )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body" or (self._is_in_head and self._unseen == 1 and tag in _BLOCKS | _HEADINGS):
            self._unseen, self._is_in_head = 0, False  # a head need not be closed
        attributes = {name: value or "" for name, value in attrs}
        if tag in _UNSEEN:
            self._begin_unseen(tag, attributes)
        elif tag == "source" and self._medium:
            self._say_medium(attributes)
        if self._unseen or tag in self._unclosed:
            return
        if tag in ("table", "thead", "tr", "td", "th"):
            self._begin_table_part(tag, attributes)
        elif tag == "br":
            self._say("\n")
        elif tag in _HEADINGS:
            self._say("\n\n" + ("#" * int(tag[1]) + " " if self._is_markdown else ""))
        elif tag == "li":
            self._say("\n- ")
        elif tag == "pre":
            self._preformatted += 1
            self._say("\n")
        elif tag in _BLOCKS:
            self._say("\n\n" if tag == "p" else "\n")
        elif tag == "a":
            self._links.append(attributes.get("href", ""))
            if self._is_markdown and self._links[-1]:
                self._say("[")
        elif tag == "img":
            self._say(f"[image: {attributes.get('alt') or _place(attributes.get('src', ''))}]")

    def _begin_unseen(self, tag: str, attributes: dict[str, str]) -> None:
        self._is_in_head = self._is_in_head or (tag == "head" and not self._unseen)
        if tag in ("audio", "video", "iframe", "svg") and not self._unseen:
            self._medium = tag
            if tag in ("iframe", "svg") or "src" in attributes or tag in self._unclosed:
                self._say_medium(attributes)
        if tag not in self._unclosed:
            self._unseen += 1

    def _say_medium(self, attributes: dict[str, str]) -> None:
        """Say what would be played or shown, and how long it is where its data is here."""
        source = attributes.get("src", "")
        place = _place(source)
        about = f" {place}" if place else ""
        if source.startswith("data:"):
            about += f", {size(len(source.partition(',')[2]) * 3 // 4)}"
        medium, self._medium = self._medium, ""
        self._say(f"[{medium}{about}]")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            if tag == self._medium:
                self._say_medium({})
            self._unseen = max(0, self._unseen - 1)
            self._is_in_head = self._is_in_head and tag != "head"
        elif self._unseen:
            return
        elif tag == "a" and self._links:
            self._end_link(self._links.pop())
        elif tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)
            self._say("\n")
        elif tag in ("table", "thead", "tr"):
            self._end_table_part(tag)
        elif tag in _HEADINGS or tag == "p":
            self._say("\n\n")
        elif tag in _BLOCKS and tag != "li":
            self._say("\n")

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if not self._preformatted:
            data = re.sub(r"\s+", " ", data)
            if self._is_at_line_start():
                data = data.lstrip()
        self._say(data)

    def parse_html_declaration(self, i: int) -> int:
        """Take what the parser knows no name for, as ``<![x]>``, for a comment, as browsers do."""
        try:
            return super().parse_html_declaration(i)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def close(self) -> None:
        super().close()
        while self._open:
            self._end_table_part("table")

    def _is_at_line_start(self) -> bool:
        last = self._parts[-1] if self._parts else "\n"
        return not isinstance(last, str) or last.endswith(("\n", "\n- "))

    def _say(self, text: str) -> None:
        if not text:
            return
        if not self._open:
            self._parts.append(text)
        elif self._open[-1].row:
            self._open[-1].row[-1].parts.append(text)
        else:
            self._open[-1].said.append(text)

    def _end_link(self, place: str) -> None:
        place = _place(place)
        if self._is_markdown and place:
            self._say(f"]({place})")
        elif place and not place.startswith("#"):
            self._say(f" ({place})")

    def _begin_table_part(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "table":
            if len(self._open) < _MOST_TABLES:
                self._open.append(_OpenTable())
        elif not self._open:
            self._say("\n" if tag == "tr" else " ")
        elif tag == "thead":
            self._open[-1].is_in_head = True
        elif tag == "tr":
            self._end_table_part("tr")
            self._open[-1].row = []
        else:
            table = self._open[-1]
            table.row = [] if table.row is None else table.row
            columns, rows = (_span(attributes.get(name)) for name in ("colspan", "rowspan"))
            self._spanned += columns * rows - 1
            if self._spanned > _MOST_SPANNED:
                columns = rows = 1
            table.row.append(_Cell(tag == "th" or table.is_in_head, columns, rows))

    def _end_table_part(self, tag: str) -> None:
        if not self._open:
            return
        table = self._open[-1]
        if table.row is not None:
            _put(table, table.row)
            table.row = None
        if tag == "thead":
            table.is_in_head = False
        if tag != "table":
            return
        self._open.pop()
        table.table.caption = " ".join("".join(table.said).split())
        if self._open:  # a table in a table's cell is text like any other
            rows = [[table.table.caption], *table.table.header, *table.table.rows]
            self._say(" ".join(" ".join(row) for row in rows if any(row)))
        elif table.table.rows or table.table.header:
            self.tables.append(table.table)
            self._parts.append(table.table)
        elif table.table.caption:
            self._parts.append(f"\n{table.table.caption}\n")


def _joined(parts: Iterable[str]) -> str:
    lines = "".join(parts).split("\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip(" \t") for line in lines)).strip()


def _put(table: _OpenTable, cells: list[_Cell]) -> None:
    """Add a row, with empty cells where others reach over them."""
    row: list[str] = []
    waiting = deque(cells)
    reaching, table.reaching = table.reaching, {}
    while waiting or reaching:
        column = len(row)
        if (rows := reaching.pop(column, 0)) > 0:
            row.append("")
            if rows > 1:
                table.reaching[column] = rows - 1
        elif waiting:
            cell = waiting.popleft()
            row += [cell.text, *[""] * (cell.columns - 1)]
            for reached in range(column + 1, len(row)):
                reaching.pop(reached, None)  # over one that reaches from above
            for reached in range(column, len(row)) if cell.rows > 1 else ():
                table.reaching[reached] = cell.rows - 1
        elif table.gaps < _MOST_SPANNED:
            table.gaps += 1
            row.append("")
        else:
            reaching.clear()
    is_header = all(cell.is_header for cell in cells) and not table.table.rows
    if not any(row) and (is_header or not cells):
        return  # names of nothing, or a row that only others reach into
    (table.table.header if is_header else table.table.rows).append(row)
    if not is_header:
        levels = next((n for n, cell in enumerate(cells) if not cell.is_header), 0)
        table.table.index_columns = max(table.table.index_columns, levels)


def _span(value: str | None) -> int:
    return min(int(value), _MOST_SPAN) if value and value.isdecimal() and value != "0" else 1


def _place(address: str) -> str:
    """Return an address for reading; of data in it only the kind."""
    if address.startswith("data:"):
        return address.partition(",")[0].partition(";")[0]
    return address
