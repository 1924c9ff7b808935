"""Outputs as one text that fits into a budget.

What fits is shown whole. Else short outputs are whole and long ones share what is left, of each its
head and its tail; errors and the last output get more than what was printed before them. What is
left out is counted in its place, and in the last line, which names the way to all of it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from runtimed.model.rendering import sharing
from runtimed.model.rendering.bundles import Options, Reader
from runtimed.model.rendering.cutting import Cut, counted, encodable
from runtimed.model.rendering.forms import LEAST_CHARS, Omitted, outputs_left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from runtimed.model.rendering.forms import Form
    from runtimed.model.rendering.images import Image

SMALLEST_CHARS = 200
NOTHING = "no output"
#: The ``output_type`` of what stands for ``outputs`` of ``chars`` and ``lines`` that nobody kept.
OMITTED = "omitted"
_LAST, _ERROR = 2.0, 3.0


@dataclass(frozen=True, slots=True)
class Rendered:
    """Outputs as text, ``len(text)`` at most what was asked for, and the images among them.

    ``total_chars`` and ``total_lines`` are those of the text if nothing had been left out of it:
    ANSI sequences removed, repeated lines as often as they came. ``omitted`` says in words what was
    left out, output by output.
    """

    text: str
    is_complete: bool = True
    total_chars: int = 0
    total_lines: int = 0
    images: list[Image] = field(default_factory=list)
    omitted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ways:
    """Where the rest is to be had, as it is named; None where nothing would give more."""

    text: str | None
    traceback: str | None = None
    value: str | None = None


def _ways(more: str | Ways | None) -> Ways | None:
    return Ways(more, more, more) if isinstance(more, str) else more


@dataclass(frozen=True, slots=True)
class _Block:
    index: int
    kind: str
    form: Form
    weight: float
    outputs: int = 1

    def want(self, most: int) -> int:
        shown = self.form.shown_chars
        return most if shown is None else min(shown, most)


def render(
    outputs: Iterable[Mapping[str, Any]],
    *,
    max_chars: int = 8000,
    form: Literal["text", "markdown"] = "text",
    traceback: Literal["trimmed", "full"] = "trimmed",
    more: str | Ways | None = None,
    index: Callable[[int], int] = int,
    check: Callable[[], None] = lambda: None,
) -> Rendered:
    """Return the outputs (folded; nbformat's members) as text of at most ``max_chars`` characters.

    A stream's ``text`` may also be an iterable of pieces, or a `Stream`; see `OMITTED`, too.
    ``more`` is the command or call that gets all of it, as it is to be named, if there are several
    `Ways`. ``index`` says which output it is that is at a place among these ones, if they are not
    all. ``check`` is called now and then; what it raises ends the render. Raises `ValueError` for
    fewer characters than `SMALLEST_CHARS`.
    """
    if max_chars < SMALLEST_CHARS:
        raise ValueError(f"max_chars is at least {SMALLEST_CHARS}")
    is_markdown = form == "markdown"
    is_full = traceback == "full"
    reader = Reader(Options(max_chars, is_markdown, is_full, check))
    blocks = []
    for place, output in enumerate(outputs):
        check()
        number = index(place)
        if output["output_type"] == OMITTED:
            missing = Omitted(output["outputs"], output["chars"], output["lines"])
            blocks.append(_Block(number, OMITTED, missing, 1.0, missing.outputs))
            continue
        kind = str(output.get("name") or output["output_type"])
        found = reader.form(number, output)
        if found is not None and found.total_chars:
            blocks.append(_Block(number, kind, found, _ERROR if kind == "error" else 1.0))
    if not blocks:
        return Rendered(NOTHING, total_chars=len(NOTHING), total_lines=1)
    last = blocks[-1]
    blocks[-1] = _Block(last.index, last.kind, last.form, max(_LAST, last.weight))
    separator = "\n\n" if is_markdown else "\n"
    text, cuts = _laid_out(blocks, max_chars, separator, _ways(more))
    is_complete = all(cut.is_complete for cut in cuts)
    total_chars = sum(block.form.total_chars for block in blocks)
    total_chars += len(separator) * (len(blocks) - 1)
    return Rendered(
        encodable(text),
        is_complete=is_complete,
        # Fences and notes are counted where there is nothing else to count.
        total_chars=max(total_chars, len(text)) if is_complete else total_chars,
        total_lines=sum(block.form.total_lines for block in blocks),
        images=reader.images,
        omitted=[
            _said(block, cut)
            for block, cut in zip(blocks, cuts, strict=True)
            if not cut.is_complete
        ],
    )


def _said(block: _Block, cut: Cut) -> str:
    what = f"output {block.index} ({block.kind}): "
    if not cut.omitted_chars:
        return what + "shortened"
    return what + _amount(cut.omitted_chars, cut.omitted_lines)


def _amount(chars: int, lines: int) -> str:
    return counted(chars, "character") + (f", {counted(lines, 'line')}" if lines else "")


def _laid_out(
    blocks: Sequence[_Block], max_chars: int, separator: str, ways: Ways | None
) -> tuple[str, list[Cut]]:
    """Return the text, and what became of each block."""
    wants = [block.want(max_chars + 1) for block in blocks]
    if sum(wants) + len(separator) * (len(blocks) - 1) <= max_chars:
        cuts = [block.form.within(want) for block, want in zip(blocks, wants, strict=True)]
        footer = _footer(blocks, cuts, ways, max_chars // 3)
        text = separator.join([*(cut.text for cut in cuts), *footer])
        if len(text) <= max_chars:
            return text, cuts
    nothing = [
        Cut("", block.form.total_chars, block.form.total_lines, True, block.outputs)
        for block in blocks
    ]
    footer = _footer(blocks, nothing, ways, max_chars // 3)
    reserved = len("".join(footer))
    room = max_chars - reserved - len(separator) * len(footer)
    cuts = _cuts(blocks, wants, room, len(separator))
    return separator.join([*_lines(cuts), *_footer(blocks, cuts, ways, reserved)]), cuts


def _cuts(blocks: Sequence[_Block], wants: list[int], room: int, separator_chars: int) -> list[Cut]:
    """Return what is shown of each; nothing at all of those for which there is no room."""
    count = len(blocks)
    nothing = [
        Cut("", block.form.total_chars, block.form.total_lines, outputs=block.outputs)
        for block in blocks
    ]
    costs = [min(want, LEAST_CHARS) + separator_chars for want in wants]
    note = len(_left_out(nothing)) + separator_chars
    errors = [each for each in range(count) if blocks[each].kind == "error"]
    essential = [count - 1, *errors[:-4:-1], 0]
    room += separator_chars  # one for each that is shown, and one line end less than lines
    shown = sharing.kept(costs, essential, room, note)
    room -= note * sharing.stretches(shown, count) + sum(costs[each] for each in shown)
    more = sharing.shares(
        [wants[each] + separator_chars - costs[each] for each in shown],
        [blocks[each].weight for each in shown],
        room,
    )
    for each, chars in zip(shown, more, strict=True):
        nothing[each] = blocks[each].form.within(costs[each] + chars - separator_chars)
    return nothing


def _lines(cuts: Sequence[Cut]) -> Iterator[str]:
    """Yield what is shown, and a line for each stretch of outputs that are not."""
    for is_shown, group in itertools.groupby(cuts, key=lambda cut: bool(cut.text)):
        if is_shown:
            yield from (cut.text for cut in group)
        else:
            yield _left_out(list(group))


def _left_out(cuts: Sequence[Cut]) -> str:
    chars = sum(cut.omitted_chars for cut in cuts)
    return outputs_left_out(sum(cut.outputs for cut in cuts), chars)


def _footer(
    blocks: Sequence[_Block], cuts: Sequence[Cut], ways: Ways | None, most_chars: int
) -> list[str]:
    """Return the last line, which names the ways to the rest: as long as it may be, if at all."""
    if ways is None or all(cut.is_complete for cut in cuts):
        return []
    chars, lines = sum(cut.omitted_chars for cut in cuts), sum(cut.omitted_lines for cut in cuts)
    incomplete = {
        block.form.way for block, cut in zip(blocks, cuts, strict=True) if not cut.is_complete
    }
    named = [
        found
        for way in ("text", "traceback", "value")
        if way in incomplete and (found := getattr(ways, way))
    ]
    named = list(dict.fromkeys(named))
    all_of_it = f"All of it: {'; '.join(named)}" if named else ""
    left = f"Left out: {_amount(chars, lines)}" if chars else ""
    few = f"All of it: {named[0]}" if named else ""
    candidates = [". ".join(filter(None, (left, all_of_it))), all_of_it, few]
    return next(([f"[{s}]"] for s in candidates if s and len(s) + 2 <= most_chars), [])
