"""What a kernel drops because its reader is behind is on the record; what only looks so is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.shell import shell
from tests.process.daemon.story import final, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon
    from tests.process.daemon.executions.conftest import Repl

LINES = 40_000
#: What takes numbers without a loss, each beside or after more than its connection's queue holds.
SHAM = """
class Silent:
    def _ipython_display_(self): pass
from comm import create_comm
from IPython.display import display
comm = create_comm(target_name="nobody")
"""
ASKER = """
import select, sys
from jupyter_client.blocking.client import BlockingKernelClient
client = BlockingKernelClient(connection_file=sys.argv[1])
client.load_connection_file()
client.start_channels(iopub=False, stdin=False, hb=False)
client.kernel_info(reply=True, timeout=60)
print("asking", flush=True)
while not select.select([sys.stdin], [], [], 0.002)[0]:
    client.kernel_info(reply=True, timeout=60)
"""


def lines_of(daemon: Daemon, execution: Any) -> int:
    page = daemon.call("execution.output", execution=execution["id"], lines=1)
    total = page["total_lines"]
    assert isinstance(total, int)
    return total


@pytest.fixture(scope="module")
def bash(daemon: Daemon) -> Any:
    return daemon.call("runtime.start", kernel_name="bash")


def test_a_storm_of_bash_says_how_much_it_lost(daemon: Daemon, bash: Any) -> None:
    truth = daemon.state.project / "bash"
    code = f"echo begun > {truth}; for i in $(seq {LINES}); do echo L$i; done; echo end >> {truth}"
    keeper: int = daemon.call("daemon.status")["keeper_pid"]
    cell = daemon.call("execution.submit", runtime=bash["id"], code=code)
    wait_for(truth, "begun")
    os.kill(keeper, signal.SIGSTOP)
    try:
        wait_for(truth, "end")
    finally:
        os.kill(keeper, signal.SIGCONT)
    done = final(daemon, cell["id"])
    missing = LINES - lines_of(daemon, done)
    assert missing > 0
    assert (done["status"], done["gap"]["reason"]) == ("done", "kernel_dropped")
    # A message holds a line, but for the few that bash_kernel cuts in two or reads together.
    assert abs(done["gap"]["count"] - missing) < missing / 10
    shown = shell(daemon.state, f"runt output --tail 1 {cell['id']}")
    assert shown.returncode == 0
    assert f"runt: {done['gap']['count']} messages did not reach runtimed here" in shown.stderr
    assert daemon.call("execution.eval", runtime=bash["id"], code="echo 1")["gap"] is None


@pytest.fixture
def asking(repl: Repl) -> Iterator[None]:
    """Another client, which asks for kernel_info all the while."""
    file = repl.daemon.call("runtime.get", runtime=repl.id)["connection_file"]
    asker = subprocess.Popen(
        [sys.executable, "-c", ASKER, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert asker.stdout is not None
    assert asker.stdout.readline() == b"asking\n"
    yield
    assert asker.poll() is None
    asker.communicate()


@pytest.mark.usefixtures("asking")
def test_what_takes_numbers_and_sends_nothing_is_no_loss(repl: Repl) -> None:
    """Nothing of an ipykernel of ours is ever dropped: each line is there, and no gap."""
    repl.eval(SHAM)
    ended = [
        repl.eval("for i in range(100_000): print(i, flush=True)"),
        repl.eval("for i in range(2000): display({'text/plain': '.'}, raw=True)"),
        repl.eval("for i in range(2000): comm.send(i); display(Silent())"),
        *(repl.eval("Silent()") for _ in range(30)),
    ]
    assert lines_of(repl.daemon, ended[0]) == 100_000
    assert {(each["status"], each["gap"] is None) for each in ended} == {("done", True)}
