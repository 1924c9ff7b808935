"""examples/repl.py, in a terminal, on a real daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.tmux import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon, State

PROGRAM = Path(__file__).parents[3] / "examples" / "repl.py"


@pytest.fixture
def terminal(state: State) -> Iterator[Terminal]:
    terminal = Terminal(state.root / "t")
    try:
        yield terminal
    finally:
        terminal.close()


def test_a_session(state: State, daemon: Daemon, terminal: Terminal) -> None:
    env = {**state.env, "TERM": "screen-256color", "LC_ALL": "C.UTF-8"}
    terminal.run(sys.executable, str(PROGRAM), env=env, cwd=state.project)
    terminal.wait_for(r"^python3 \w{8}\n>>>$")
    for line in ("for i in range(2):", "print(i, end=' ')", ""):  # the kernel says how to indent
        terminal.enter(line)
        terminal.wait_for(r"(\.\.\.|>>>)\Z")
    terminal.wait_for(r"^0 1\s+>>>$")
    terminal.enter("[input('Name? '), __import__('getpass').getpass('Word? ')]")
    terminal.wait_for(r"^Name\?")
    terminal.enter("Ada")
    terminal.wait_for(r"^Word\?")
    terminal.enter("quiet")
    terminal.wait_for(r"^\['Ada', 'quiet'\]")
    terminal.enter("print('on it', flush=True); import time; time.sleep(600)")
    terminal.wait_for("^on it")
    terminal.press("C-c")
    terminal.wait_for(r"^KeyboardInterrupt:?\s+>>>\Z")
    terminal.type("dropped")
    terminal.wait_for(r"^>>> dropped\Z")
    terminal.press("C-c")
    terminal.wait_for(r"dropped\^?C?\s+>>>\Z")
    terminal.enter("import os; os.kill(os.getpid(), 9)")
    terminal.wait_for(r"^>>>\Z")
    terminal.enter("1")
    terminal.wait_for(r"^Runtime \w{8} is dead \(.*SIGKILL\)")
    terminal.press("C-d")
    terminal.wait_for(r"\[exit 0\]")
    (runtime,) = daemon.call("runtime.list", all=True)
    assert runtime["status"] == "dead"
    ran = daemon.call("execution.list", runtime=runtime["id"])
    assert [each["status"] for each in ran] == ["kernel_died", "interrupted", "done", "done"]
    assert {each["requested_by"]["client"] for each in ran} == {"repl"}
