"""No room for another kernel, or for what one needs: whoever asks is told in a sentence."""

from __future__ import annotations

import json
import os
import resource
from typing import TYPE_CHECKING

from runtimed.keeper.room import PER_CHANNEL, RESERVED
from tests.process.daemon.adoption.waiting import adopted

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon
    from tests.harness.foreign import KernelNamed

#: Too little for a kernel of ours: it takes twenty beside what must stay free.
LIMIT = RESERVED + 16
SENTENCE = "file descriptors that the keeper may have"


def test_start_and_eval_say_that_there_is_no_room(daemon: Daemon, runt: Runt) -> None:
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))  # and its keeper's
    if keeper := daemon.call("daemon.status")["keeper_pid"]:  # it is there already
        resource.prlimit(keeper, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    for verb in (["start", "python3"], ["eval", "1"]):
        refused = runt(*verb)
        assert (refused.returncode, refused.stdout) == (6, "")
        assert refused.stderr.startswith("runt: Kernel python3 did not start: of the ")
        assert f"of the {LIMIT} {SENTENCE}" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert daemon.call("runtime.list") == []


def test_what_an_adopted_kernel_cannot_be_sent_is_cancelled_with_the_reason(
    daemon: Daemon, runt: Runt, kernel_named: KernelNamed
) -> None:
    """Until then only what it says was heard; to speak to it takes two more sockets."""
    runtime = adopted(daemon, kernel_named("python3").connection_file)
    keeper: int = daemon.call("daemon.status")["keeper_pid"]
    taken = len(os.listdir(f"/proc/{keeper}/fd"))
    soft, hard = resource.prlimit(keeper, resource.RLIMIT_NOFILE)
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, (taken + RESERVED + PER_CHANNEL, hard))
    refused = runt("eval", "-r", runtime["short_id"], "1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert ": cancelled: of the " in refused.stderr
    assert SENTENCE in refused.stderr
    last = json.loads(runt("history", "--json").stdout)["executions"][0]
    assert last["status"] == "cancelled"
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, (soft, hard))
    assert runt("eval", "-r", runtime["short_id"], "1 + 1").stdout == "2\n"
