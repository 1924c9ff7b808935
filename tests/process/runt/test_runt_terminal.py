"""What a person at a terminal sees and types. The terminal is a real one (pexpect)."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pexpect
import pytest

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

RUNT = os.path.join(os.path.dirname(sys.executable), "runt")
Open = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def terminal(state: State) -> Iterator[Open]:
    """Run `runt` in a terminal of so many columns."""
    opened: list[pexpect.spawn[str]] = []

    def spawn(*args: str, columns: int = 300, **variables: str) -> pexpect.spawn[str]:
        # COLUMNS too: the program may look before pexpect has told the terminal its size.
        size = {"COLUMNS": str(columns), "LINES": "40"}
        env = {**state.env, "TERM": "xterm-256color", **size, **variables}
        env.pop("NO_COLOR", None) if "NO_COLOR" not in variables else None
        child = pexpect.spawn(
            RUNT,
            list(args),
            env=env,
            cwd=str(state.project),
            encoding="utf-8",
            timeout=30,
            dimensions=(40, columns),
        )
        opened.append(child)
        return child

    yield spawn
    for child in opened:
        child.close(force=True)


def ended(child: pexpect.spawn[str]) -> int | None:
    child.expect(pexpect.EOF)
    child.close()
    status: int | None = child.exitstatus
    return status


def test_ps_is_a_table_that_fits(daemon: Daemon, runt: Runt, terminal: Open) -> None:
    runt("start", "python3", "--name", "lab")
    wide = terminal("ps")
    assert ended(wide) == 0
    assert "\t" not in wide.before
    assert "Connection File" in wide.before
    narrow = terminal("ps", columns=70)
    assert ended(narrow) == 0
    assert "Connection File" not in narrow.before
    assert "Transport" in narrow.before
    assert all(len(line) <= 70 for line in narrow.before.splitlines())
    whole = terminal("ps", "--wide", columns=70)
    ended(whole)
    assert "Connection File" in whole.before


def test_a_traceback_has_its_colours(daemon: Daemon, terminal: Open) -> None:
    coloured = terminal("eval", "1/0")
    assert ended(coloured) == 1
    assert "\x1b[" in coloured.before
    plain = terminal("eval", "1/0", NO_COLOR="1")
    assert ended(plain) == 1
    assert "ZeroDivisionError" in plain.before
    assert "\x1b[" not in plain.before


def test_output_has_its_colours_on_a_terminal(daemon: Daemon, runt: Runt, terminal: Open) -> None:
    id = runt("submit", "1/0").stdout.strip()
    runt("wait", id)
    coloured = terminal("output", id)
    assert ended(coloured) == 0
    assert "\x1b[" in coloured.before
    plain = terminal("output", id, NO_COLOR="1")
    assert ended(plain) == 0
    assert "\x1b[" not in plain.before
    piped = runt("output", id, "--grep", "^ZeroDivisionError: division by zero$")
    assert piped.stdout == "ZeroDivisionError: division by zero\n"


def test_a_question_is_answered_in_place(daemon: Daemon, terminal: Open) -> None:
    child = terminal("eval", "n = input('name? '); print(f'<{n}>')")
    child.expect_exact("name? ")
    child.sendline("Ann")
    child.expect_exact("<Ann>")
    assert ended(child) == 0


def test_a_password_is_not_shown(daemon: Daemon, terminal: Open) -> None:
    child = terminal(
        "eval", "import getpass; p = getpass.getpass('secret: '); print(len(p)); input('more? ')"
    )
    child.expect_exact("secret: ")
    child.sendline("hunter2")
    child.expect_exact("7")
    assert "hunter2" not in child.before
    child.expect_exact("more? ")
    child.sendline("shown")
    child.expect_exact("shown")
    assert ended(child) == 0


def test_ctrl_d_is_the_end_of_file(daemon: Daemon, terminal: Open) -> None:
    child = terminal("eval", "input('? ')")
    child.expect_exact("? ")
    child.sendeof()
    child.expect_exact("EOFError")
    assert ended(child) == 1


def test_an_answer_from_elsewhere_ends_the_question(
    daemon: Daemon, runt: Runt, terminal: Open
) -> None:
    child = terminal("eval", "--id", "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "print('<' + input('? ') + '>')")
    child.expect_exact("? ")
    assert runt("reply", "2p1r0s9t", "Bob").returncode == 0
    child.expect_exact("<Bob>")
    assert ended(child) == 0


def test_ctrl_c_interrupts(daemon: Daemon, terminal: Open) -> None:
    # A word that nothing else says: the notice about our own Python comes before the code runs.
    child = terminal("eval", "import time; print('sleeping'); time.sleep(60)")
    child.expect_exact("sleeping")
    child.sendintr()
    child.expect_exact("KeyboardInterrupt")
    assert ended(child) == 130


def test_ctrl_c_at_a_question(daemon: Daemon, terminal: Open) -> None:
    child = terminal("eval", "import getpass; getpass.getpass('secret: ')")
    child.expect_exact("secret: ")
    child.sendintr()
    assert ended(child) == 130


def test_a_terminal_that_goes_away_detaches(daemon: Daemon, runt: Runt, terminal: Open) -> None:
    code = "import time; print('sleeping'); time.sleep(1); print('awake')"
    child = terminal("eval", "--id", "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", code)
    child.expect_exact("sleeping")
    child.close(force=False)
    assert runt("wait", "2p1r0s9t").stdout == "2p1r0s9t done\n"
    assert runt("output", "2p1r0s9t").stdout == "sleeping\nawake\n"


def test_code_is_typed_at_the_terminal(daemon: Daemon, terminal: Open) -> None:
    child = terminal("eval")
    child.sendline("6 * 7")
    child.sendeof()
    child.expect(re.compile(r"^42\r$", re.MULTILINE))
    assert ended(child) == 0


def test_a_reply_is_typed_where_the_question_is_seen(
    daemon: Daemon, runt: Runt, terminal: Open
) -> None:
    code = "import getpass; p = getpass.getpass('secret: '); print(len(p), input('more? '))"
    asking = runt("eval", "--no-stdin", "--wait", "2", code)
    id, name = re.findall(r"^runt: (\w+) asks for (.*?)[,;]", asking.stderr, re.MULTILINE)[0]
    assert name == "a password ('secret: ')"
    assert f"`runt reply {id}` in a terminal" in asking.stderr
    child = terminal("reply", id)
    child.expect_exact("secret: ")
    child.sendline("hunter2")
    assert ended(child) == 0
    assert "hunter2" not in child.before
    waiting = runt("output", id, "--wait", "0.1", "--max-chars", "300").stderr
    assert f"{id} waits for input ('more? '); `runt reply {id} TEXT` answers it" in waiting
    child = terminal("reply", id)
    child.expect_exact("more? ")
    child.sendline("yes")
    assert ended(child) == 0
    assert runt("output", id, "--wait", "60").stdout == "7 yes\n"
    late = terminal("reply", id)
    assert ended(late) == 4
