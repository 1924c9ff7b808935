"""A daemon that displaces another, and one that hangs where nobody watches it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.harness.daemon import Daemon
from tests.process.daemon.story import final

if TYPE_CHECKING:
    from tests.harness.daemon import State

LINES = 300
STORM = f"""
import time
for number in range({LINES}):
    print(number, flush=True)
    time.sleep(0.01)
"""

#: A loop that is fed, until something keeps it from turning.
HANG = """
import asyncio, sys, time
from runtimed.reporting import Reporter
from runtimed.supervision import ServiceManager

async def main():
    reporter = Reporter(ServiceManager({}), None, {"RUNTIMED_WATCHDOG_S": sys.argv[1]})
    async with asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(reporter.feed_watchdogs())
        await asyncio.sleep(1)
        print("turned", flush=True)
        if sys.argv[2] == "hang":
            time.sleep(3600)
        feeding.cancel()
    time.sleep(0.6)
    print("ended", flush=True)

asyncio.run(main())
"""


def test_the_one_that_runs_is_displaced_without_losing_a_line(state: State) -> None:
    first = Daemon(state).start()
    runtime = first.call("runtime.start", kernel_name="python3")
    cell = first.call("execution.submit", runtime=runtime["id"], code=STORM)
    assert first.process is not None
    second = Daemon(state, arguments=("--take-over",)).start()
    assert first.process.wait(30) == 0
    done = final(second, cell["id"])
    assert (done["status"], done["gap"]) == ("done", None)
    assert "".join(each["text"] for each in done["outputs"]) == "".join(
        f"{number}\n" for number in range(LINES)
    )
    assert second.call("runtime.get", runtime=runtime["id"])["pid"] == runtime["pid"]
    second.dispose()


def test_there_may_be_nobody_to_displace(state: State) -> None:
    daemon = Daemon(state, arguments=("--take-over",)).start()
    assert daemon.call("daemon.status")["pid"] == daemon.pid
    daemon.dispose()


def run_watched(limit_s: str, what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HANG, limit_s, what]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_loop_that_hangs_ends_the_process_and_says_where() -> None:
    done = run_watched("0.5", "hang")
    assert (done.returncode, done.stdout) == (1, "turned\n")
    assert "Timeout (0:00:00.500000)!" in done.stderr
    assert "in main" in done.stderr


def test_a_loop_that_turns_is_left_alone_and_so_is_the_end() -> None:
    done = run_watched("0.5", "end")
    assert (done.returncode, done.stdout, done.stderr) == (0, "turned\nended\n", "")


def test_a_limit_that_is_none_is_refused(state: State) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runtimed"],
        env=state.env | {"RUNTIMED_WATCHDOG_S": "soon"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "runtimed: RUNTIMED_WATCHDOG_S must be a number of seconds above 0, not 'soon'\n"
    )
