"""Tables: all of one, or its first and last rows and columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runtimed.model.rendering.cutting import boundary_before, counted

_GAP = "  "
_ELLIPSIS = "…"
#: What pandas, R and polars say about a table's shape, and nothing else.
_SHAPE = re.compile(
    r"(?:An? [\w.]{1,40}: )?(\d[\d,]{0,14})(?: rows?)? × (\d[\d,]{0,14})(?: columns?)?"
    r"|shape: \((\d[\d_]{0,14}), (\d[\d_]{0,14})\)"
)
#: Longer cells are not a reason to make others as wide.
_MOST_WIDTH = 200
#: A table that would have more cells than this is not made rectangular.
_MOST_CELLS = 200_000
#: Rows, columns and characters of a cell: less and less.
_LIMITS = (
    *((rows, None, None) for rows in (100, 50, 20, 10, 6)),
    *((rows, None, 40) for rows in (10, 6)),
    *((rows, columns, 30) for columns in (12, 8, 5) for rows in (6, 4)),
    (4, 3, 20),
    (2, 2, 16),
    (2, 1, 12),
)


@dataclass
class Table:
    """A table as it was displayed; ``caption`` is what was said in it, its shape most likely.

    So many columns at the left are its ``index_columns``, which are not counted in its shape.
    """

    header: list[list[str]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    caption: str = ""
    index_columns: int = 0
    above: str = ""
    below: str = ""
    _said_shape: tuple[int, int] | None = None

    def surround(self, above: str, below: str) -> None:
        """Take what stands above and below; of what only says its shape the shape."""
        said = {"above": above, "caption": self.caption, "below": below}
        for place, text in said.items():
            found = _SHAPE.fullmatch(text) if self._said_shape is None else None
            if found is not None:
                rows, columns = (int(re.sub(r"\D", "", n)) for n in found.groups() if n)
                self._said_shape = rows, columns
                said[place] = ""
        self.above = "\n".join(filter(None, (said["above"], said["caption"])))
        self.below = said["below"]

    @property
    def shape(self) -> str:
        """Rows × columns: as its caption says, else as counted."""
        if self._said_shape is not None:
            rows, columns = self._said_shape
        else:
            rows = sum(not _is_elided(row) for row in self.rows)
            columns = max(map(len, [*self.header, *self.rows]), default=0) - self.index_columns
        return f"{counted(rows, 'row')} × {counted(columns, 'column')}"

    def text(self, *, is_markdown: bool) -> str:
        """Return all of it, below its shape."""
        return _headed(self, self.header, self.rows, is_markdown=is_markdown)

    def captioned(self, *, is_markdown: bool) -> str:
        """Return all of it, below its caption if it has one, and nothing else."""
        gap = "\n\n" if is_markdown else "\n"
        drawn = _drawn(self.header, self.rows, is_markdown=is_markdown)
        return gap.join(filter(None, (self.caption, drawn)))

    def shortened(self, max_chars: int, *, is_markdown: bool) -> str | None:
        """Return its beginning and its end, in rows and columns; None for too few characters."""
        for rows, columns, chars in _LIMITS:
            body = _middle_out(self.rows, rows, self._said_shape and self._said_shape[0])
            lines = [_narrow(line, columns, chars) for line in [*self.header, *body]]
            header, body = lines[: len(self.header)], lines[len(self.header) :]
            text = _headed(self, header, body, is_markdown=is_markdown)
            if len(text) <= max_chars:
                return text
        return None


def _is_elided(row: list[str]) -> bool:
    return any(row) and all(cell in ("...", _ELLIPSIS, "⋮", "⋱", "") for cell in row)


def _middle_out(rows: list[list[str]], most: int, said: int | None) -> list[list[str]]:
    """Return the first and the last rows, which may themselves be some of as many as are said."""
    if len(rows) <= most + 1:
        return rows
    last = most // 2
    above, between, below = rows[: most - last], rows[most - last : -last], rows[-last:]
    missing: int | None = len(between)
    if any(map(_is_elided, between)):
        missing = None if said is None else max(0, said - len(above) - len(below))
    number = f"{missing:,} " if missing else ""
    return [*above, [f"{_ELLIPSIS} {number}more rows"], *below]


def _narrow(row: list[str], most: int | None, chars: int | None) -> list[str]:
    if most is not None and len(row) > most + 1:
        last = most // 2
        row = [*row[: most - last], _ELLIPSIS, *row[len(row) - last :]]
    return row if chars is None else [_short(cell, chars) for cell in row]


def _short(cell: str, chars: int) -> str:
    return cell if len(cell) <= chars else cell[: boundary_before(cell, chars)] + _ELLIPSIS


def _headed(
    table: Table, header: list[list[str]], rows: list[list[str]], *, is_markdown: bool
) -> str:
    gap = "\n\n" if is_markdown else "\n"
    drawn = _drawn(header, rows, is_markdown=is_markdown)
    return gap.join(filter(None, (table.above, f"[{table.shape}]", drawn, table.below)))


def _drawn(header: list[list[str]], rows: list[list[str]], *, is_markdown: bool) -> str:
    return "\n".join(_piped(header, rows) if is_markdown else _aligned(header, rows))


def _aligned(header: list[list[str]], rows: list[list[str]]) -> list[str]:
    """Return rows below one another; columns of numbers to the right."""
    lines = [*header, *rows]
    widths = [0] * max(map(len, lines), default=0)
    kinds: list[bool | None] = [None] * len(widths)
    for place, line in enumerate(lines):
        for column, cell in enumerate(line if len(line) > 1 else ()):
            widths[column] = max(widths[column], min(len(cell), _MOST_WIDTH))
            if place >= len(header) and kinds[column] is not False:
                kinds[column] = _is_numeric(cell)
    columns = list(zip(widths, kinds, strict=True))
    return [
        _GAP.join(
            cell.rjust(width) if is_numeric else cell.ljust(width)
            for cell, (width, is_numeric) in zip(line, columns, strict=False)
        ).rstrip()
        if len(line) > 1
        else line[0]
        for line in lines
    ]


def _is_numeric(cell: str) -> bool:
    """Say whether this may stand in a column of numbers."""
    found = re.fullmatch(r"[-+]?[\d.,_]+(?:e[-+]?\d+)?|", cell, re.IGNORECASE)
    return found is not None or cell in ("NaN", "null", "None", "inf", "-inf", "...", _ELLIPSIS)


def _piped(header: list[list[str]], rows: list[list[str]]) -> list[str]:
    columns = max(map(len, [*header, *rows]), default=0)
    if columns * (len(header) + len(rows)) > _MOST_CELLS:
        columns = 0
    names = header or [[""] * (columns or 1)]
    lines = [_pipe(names[0], columns), "|" + " --- |" * columns]
    return lines + [_pipe(row, columns) for row in [*names[1:], *rows]]


def _pipe(row: list[str], columns: int) -> str:
    cells = [cell.replace("|", "\\|") for cell in row] + [""] * (columns - len(row))
    return f"| {' | '.join(cells)} |"
