"""Output of many megabytes in pages: found by a pattern, printed whole, and never in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.harness import memory_mb
from tests.harness.daemon import runt

if TYPE_CHECKING:
    from tests.process.daemon.executions.conftest import Repl

LINES = 300_000
#: 30 MB, of which every thousandth line is another.
PRINT = f"""
import sys
for part in range(30):
    sys.stdout.write("".join(
        f"{{n}} {{'odd' if n % 1000 == 7 else 'even' + '.' * 90}}\\n"
        for n in range(part * {LINES // 30}, (part + 1) * {LINES // 30})))
"""


@pytest.fixture(scope="module")
def large(repl: Repl) -> str:
    """Return the id of an execution that has put out a lot."""
    done = repl.eval(PRINT)
    assert done["status"] == "done"
    return str(done["id"])


def test_matching_lines_are_found_wherever_they_are(repl: Repl, large: str) -> None:
    page = repl.daemon.call("execution.output", execution=large, grep="odd|even$")
    assert page["lines"] == [f"{n} odd" for n in range(7, LINES, 1000)]
    assert (page["total_lines"], page["cursor"], page["more"]) == (LINES, LINES, False)
    page = repl.daemon.call("execution.output", execution=large, grep=" odd$", lines=3)
    assert (page["lines"], page["cursor"]) == (["7 odd", "1007 odd", "2007 odd"], 3007)
    page = repl.daemon.call("execution.output", execution=large, grep=" odd$", tail=2)
    assert page["lines"] == [f"{LINES - 1993} odd", f"{LINES - 993} odd"]
    page = repl.daemon.call("execution.output", execution=large, grep="odd", cursor=250_008)
    assert page["lines"][0] == "251007 odd"


def test_a_stretch_is_read_from_its_middle(repl: Repl, large: str) -> None:
    page = repl.daemon.call("execution.output", execution=large, cursor=200_006, lines=2)
    assert page["lines"] == ["200006 even" + "." * 90, "200007 odd"]
    page = repl.daemon.call("execution.output", execution=large, tail=1)
    assert page["lines"] == [f"{LINES - 1} even" + "." * 90]


def test_a_page_ends_when_it_is_long(repl: Repl, large: str) -> None:
    page = repl.daemon.call("execution.output", execution=large, lines=100_000)
    assert page["more"] and 0 < page["cursor"] == len(page["lines"]) <= 100_000
    printed = runt(repl.daemon.state, "output", large).stdout
    assert printed.count("\n") == LINES
    assert printed.endswith(f"\n{LINES - 1} even" + "." * 90 + "\n")


def test_the_last_lines_are_the_last_however_many_are_asked_for(repl: Repl, large: str) -> None:
    last = [f"{n} even" + "." * 90 for n in range(LINES - 3, LINES)]
    few = repl.daemon.call("execution.output", execution=large, tail=200_000, lines=3)
    assert (few["lines"], few["cursor"], few["more"]) == (last, LINES, False)
    assert few["earlier"]
    many = repl.daemon.call("execution.output", execution=large, tail=200_000, lines=100_000)
    assert 3 < len(many["lines"]) <= 100_000 and many["earlier"]
    assert many["lines"][-3:] == last
    found = repl.daemon.call(
        "execution.output", execution=large, grep="even|odd", tail=9999, lines=3
    )
    assert (found["lines"], found["earlier"]) == (last, True)
    found = repl.daemon.call("execution.output", execution=large, grep="29999[89]", tail=3)
    assert (found["lines"], found["earlier"]) == (last[1:], False)
    for pattern in ((), ("--grep", "even|odd")):
        asked = ("output", large, "--tail", "150000", *pattern)
        printed = runt(repl.daemon.state, *asked).stdout.splitlines()
        assert len(printed) == 150_000 and printed[-3:] == last
        if not pattern:
            assert printed[0] == f"{LINES - 150_000} even" + "." * 90
    shown = runt(repl.daemon.state, "output", large, "--tail", "150000", "--max-chars", "600")
    assert shown.stdout.endswith("\n".join(last) + "\n")


def test_a_page_of_long_lines_has_the_last_ones(repl: Repl) -> None:
    done = repl.eval("for n in range(40): print(n, 'x' * 1_000_000)")["id"]
    page = repl.daemon.call("execution.output", execution=done, tail=30)
    numbers = [int(line.split()[0]) for line in page["lines"]]
    assert numbers == [*range(40 - len(numbers), 40)] and len(numbers) < 30 and page["earlier"]
    for pattern in ((), ("--grep", "x")):
        lines = runt(repl.daemon.state, "output", done, "--tail", "30", *pattern).stdout.split("\n")
        assert [int(line.split()[0]) for line in lines[:-1]] == [*range(10, 40)]


def test_of_a_long_line_that_grows_its_end_can_be_had(repl: Repl) -> None:
    code = "for _ in range(500): print('x' * 100_000, end='', flush=True)\ninput('last')"
    asking = repl.daemon.call("execution.eval", runtime=repl.id, code=code, wait_s=60)
    assert asking["status"] == "waiting_input", asking
    pid = repl.daemon.pid
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before_mb = memory_mb(pid, "VmRSS")
    ask = {"execution": asking["id"], "tail": 1, "unfinished_chars": 5}
    page = repl.daemon.call("execution.output", **ask)
    assert (page["lines"], page["unfinished"]) == ([], "xxxxx")
    assert memory_mb(pid, "VmHWM") - before_mb < 25  # less than the text; three times it, once
    repl.daemon.call("execution.input", execution=asking["id"], value="")
    assert repl.final(asking["id"])["status"] == "done"


def test_it_costs_the_memory_of_a_page(repl: Repl, large: str) -> None:
    pid = repl.daemon.pid
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew (proc_pid_clear_refs(5))
    before_mb = memory_mb(pid, "VmRSS")
    found = repl.daemon.call("execution.output", execution=large, grep="nowhere")
    assert found["lines"] == []
    assert memory_mb(pid, "VmHWM") - before_mb < 25  # less than the text
