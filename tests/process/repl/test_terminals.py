"""Other kernels, other terminals, and none."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon
    from tests.process.repl.conftest import Open


def test_bash_on_a_narrow_terminal(daemon: Daemon, terminal: Open) -> None:
    """It does not say whether code is whole, and its prompt is guessed for it."""
    screen = terminal("run", "bash", columns=60, rows=12)
    screen.wait_for(r"^In \[1\]:$")
    screen.enter("for i in 1 2; do")
    screen.enter("echo item $i")
    screen.enter("done")
    screen.wait_for(r"^   \.\.\.: done\nitem 1\nitem 2\n\nIn \[2\]:$")
    screen.resize(24, 10)
    screen.enter("echo abcdefghijklmnopqrstuvwxyz")
    screen.wait_for(r"^abcdefghijklmnopqrstuvwx$")
    screen.resize(100, 20)
    screen.enter("seq 3")
    screen.wait_for(r"^In \[3\]: seq 3\n1\n2\n3\n\nIn \[4\]:$")
    screen.press("C-d")
    screen.wait_for(r"exited with no errors\.")


def test_deno_without_colours(daemon: Daemon, terminal: Open) -> None:
    """An interrupt would end it: then a cell is left running."""
    screen = terminal("run", "deno", NO_COLOR="1")
    screen.wait_for(r"^In \[1\]:$")
    screen.enter("const answer: number = 6 * 7; answer")
    screen.wait_for(r"^Out\[1\]: 42$")
    screen.enter("console.log('begun'); await new Promise(r => setTimeout(r, 600000))")
    screen.wait_for(r"^begun$")
    screen.press("C-c")
    screen.wait_for(r"was not interrupted: SIGINT ends this kernel")
    screen.press("C-c")
    screen.wait_for(r"is left running; what it prints appears here")
    screen.wait_for(r"^In \[\d\]:$")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", screen.screen(escapes=True))
    screen.press("C-d")
    screen.wait_for(r"^1 execution is not over\. Stop the runtime all the same\? \[y/N\]$")
    screen.enter("y")
    screen.wait_for(r"^\[exit 0\]")
    (runtime,) = daemon.call("runtime.list", all=True)
    assert runtime["status"] == "dead"


def test_a_terminal_that_draws_nothing(daemon: Daemon, terminal: Open, runt: Runt) -> None:
    screen = terminal("run", "python3", "--name", "dumb", TERM="dumb")
    screen.wait_for(r"^In \[1\]:$")
    screen.enter("for i in range(2):")
    screen.wait_for(r"^   \.\.\.:$")
    screen.enter("    print('line', i)")
    screen.enter("")
    screen.wait_for(r"^line 1\n\nIn \[2\]:$")
    assert runt("eval", "-r", "dumb", "print('from outside')").returncode == 0
    screen.wait_for(r"\] In \[2\]: print\('from outside'\)$")
    screen.wait_for(r"^from outside\nIn \[3\]:$")
    screen.enter("import getpass; len(getpass.getpass('secret: '))")
    screen.wait_for(r"^secret:$")
    screen.enter("hunter2")
    screen.wait_for(r"^Out\[3\]: 7$")
    screen.enter("import time; print('sleeping'); time.sleep(600)")
    screen.wait_for(r"^sleeping$")
    screen.press("C-c")
    screen.wait_for(r"^KeyboardInterrupt:.*\n\nIn \[5\]:$")
    assert "\x1b" not in screen.screen(escapes=True)
    screen.press("C-d")
    screen.wait_for(r"^\[exit 0\]")
    assert "hunter2" not in screen.screen()


def test_stdin_that_is_no_terminal_is_run(daemon: Daemon, runt: Runt) -> None:
    done = runt("run", "python3", stdin="print('out'); 6 * 7")
    assert (done.returncode, done.stdout) == (0, "out\n42\n")
    failed = runt("run", "python3", "--json", stdin="1/0")
    assert failed.returncode == 1
    assert json.loads(failed.stdout.splitlines()[-1])["execution"]["status"] == "error"
    assert daemon.call("runtime.list") == []
    assert len(daemon.call("execution.list")) == 2
    kept = runt("run", "python3", "--keep", "-q", stdin="x = 1")
    assert kept.returncode == 0
    (runtime,) = daemon.call("runtime.list")
    joined = runt("run", "--attach", runtime["short_id"], stdin="x + 1")
    assert (joined.returncode, joined.stdout) == (0, "2\n")
    assert daemon.call("runtime.get", runtime=runtime["id"])["status"] == "alive"


def test_what_is_no_kernel(daemon: Daemon, runt: Runt) -> None:
    script = daemon.state.project / "script.r"
    script.write_text("1")
    for words, said in (
        (["file.py"], "`runt eval -f file.py`"),
        ([str(script)], f"`runt eval -f {script}`"),
        (["a.ipynb"], "`runt notebook run a.ipynb`"),
        (["python3", "--attach", "x"], "--attach joins a runtime that is there"),
        (["--attach", "x", "--name", "n"], "--name is for a new one"),
    ):
        refused = runt("run", *words)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused
    assert runt("run", "no_such_kernel").returncode == 3
    assert runt("run", "--attach", "nobody").returncode == 3
