"""`runt run` in a real terminal, with a daemon of the test's own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.harness.tmux import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import State

RUNT = os.path.join(os.path.dirname(sys.executable), "runt")


class Open(Protocol):
    """Start `runt` with these words in a terminal."""

    def __call__(
        self, *words: str, columns: int = 100, rows: int = 40, **variables: str
    ) -> Terminal: ...


@pytest.fixture
def terminal(state: State) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*words: str, columns: int = 100, rows: int = 40, **variables: str) -> Terminal:
        terminal = Terminal(state.root / f"t{len(opened)}", columns=columns, rows=rows)
        opened.append(terminal)
        env = {**state.env, "TERM": "screen-256color", "LC_ALL": "C.UTF-8", **variables}
        if "NO_COLOR" not in variables:
            env.pop("NO_COLOR", None)
        terminal.run(RUNT, *words, env=env, cwd=state.project)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()
