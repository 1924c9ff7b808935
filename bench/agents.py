"""What a model reads of tools' output until a task is solved: through MCP, and in a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.agents.replay import new_desk
from tests.agents.tasks import DOORS, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The most characters that one may take.
BOUND = 4_000
_ROW = "| {:<72} | {:>5} | {:>5} | {:>9} | {:>6} |"


def measure() -> Iterator[str]:
    """Yield the rows of a table in Markdown: characters of text, calls, and images, which are
    counted apart.
    """
    yield _ROW.format("task", "MCP", "shell", "calls", "images")
    yield _ROW.format(":" + "-" * 71, *(f"{'-' * n}:" for n in (4, 4, 8, 5)))
    most = 0
    with new_desk() as desk:
        for task in tasks():
            mcp, shell = (desk.replay(task, door) for door in DOORS)
            most = max(most, mcp.chars, shell.chars)
            calls, images = f"{mcp.calls} / {shell.calls}", f"{mcp.images or ''}"
            yield _ROW.format(task.title, f"{mcp.chars:,}", f"{shell.chars:,}", calls, images)
    yield f"most: {most:,} characters, bound {BOUND:,}{'' if most <= BOUND else ' MISSED'}"
