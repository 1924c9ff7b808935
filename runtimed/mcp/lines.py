"""Lists for models: as many lines as fit, and how many do not."""

from __future__ import annotations


def fitting(lines: list[str], room: int, more: str) -> list[str]:
    """Return the lines that fit into so many characters; ``more`` says what is ``{left}`` out.

    The first one is always there, if need be cut.
    """
    if sum(len(line) + 1 for line in lines) <= room:
        return lines
    room = max(room - len(more) - 8, 80)
    taken, used = 0, 0
    while taken < len(lines) and used + len(lines[taken]) + 1 <= room:
        used += len(lines[taken]) + 1
        taken += 1
    if taken == 0:
        return [
            f"{lines[0][: room - 1]}…",
            *([more.format(left=len(lines) - 1)] * (len(lines) > 1)),
        ]
    return [*lines[:taken], more.format(left=len(lines) - taken)]


def clipped(text: str, most: int) -> str:
    """Return the text as one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
