"""What a person beside agents sees and says: `runt` with --by, share, and limits."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import daemon as harness

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State
    from tests.process.daemon.executions.conftest import Repl


@pytest.fixture(scope="module")
def runt(state: State) -> Runt:
    return partial(harness.runt, state)


def test_history_is_a_trail_of_what_agents_did(
    repl: Repl, runt: Runt, call_as: Callable[..., Any]
) -> None:
    call_as("claude-code", "execution.eval", runtime=repl.id, code="'magpie' + '1'", wait_s=60)
    call_as("codex", "execution.eval", runtime=repl.id, code="1 / 0", wait_s=60)
    repl.eval("'magpie' + '2'")
    header, *lines = runt("history", "--by", "mcp").stdout.splitlines()
    assert header.split("\t") == ["ID", "Time", "Runtime", "Status", "Who", "Code"]
    rows = [line.split("\t")[2:] for line in lines]
    name = repl.daemon.call("runtime.get", runtime=repl.id)["name"]
    assert rows == [
        [name, "error", "codex (mcp)", "1 / 0"],
        [name, "done", "claude-code (mcp)", "'magpie' + '1'"],
    ]
    asked = runt("history", "--by", "codex", "--status", "error", "--json").stdout
    (found,) = json.loads(asked)["executions"]
    assert found["requested_by"]["agent"] == "codex"
    shown = runt("search", "magpie", "--by", "claude-code").stdout
    assert "claude-code (mcp)" in shown
    assert runt("search", "magpie", "--by", "codex", "-q").stdout == ""


def test_an_agent_at_a_shell_is_on_the_record_as_well(daemon: Daemon, runt: Runt) -> None:
    done = runt("start", "python3", "--name", "shelly", env={"RUNT_AGENT": "aider"})
    assert done.returncode == 0, done.stderr
    assert runt("eval", "-r", "shelly", "1", env={"RUNT_AGENT": "aider"}).stdout == "1\n"
    assert "aider (runt)" in runt("history", "--by", "aider").stdout
    started = daemon.call("runtime.get", runtime="shelly")
    assert started["started_by"]["agent"] == "aider"
    assert started["idle_stop_s"] == 86_400
    assert runt("share", "shelly", env={"RUNT_AGENT": "aider"}).returncode == 7
    assert runt("kill", "--by", "aider").stdout.startswith("killed ")
    assert daemon.call("runtime.get", runtime="shelly")["status"] == "dead"


def test_all_that_agents_started_is_stopped_by_a_word(
    daemon: Daemon, repl: Repl, runt: Runt, call_as: Callable[..., Any]
) -> None:
    started = [
        call_as(agent, "runtime.start", kernel_name="python3")["id"] for agent in ("codex", None)
    ]
    listed = runt("ps", "--by", "mcp", "-q").stdout.split()
    assert listed == [id[-8:].lower() for id in started]
    rows = [line.split("\t") for line in runt("ps", "--wide").stdout.splitlines()]
    place = rows[0].index("Started By")
    assert sorted(row[place] for row in rows[1:]) == ["codex (mcp)", "mcp", "tests"]
    both = runt("stop", "--by", "mcp", listed[0])
    assert (both.returncode, both.stderr) == (2, "runt: name runtimes or give --by, not both\n")
    neither = runt("stop")
    assert neither.returncode == 2
    assert "--by" in neither.stderr
    done = runt("stop", "--by", "mcp")
    assert (done.returncode, done.stdout) == (0, "".join(f"stopped {id}\n" for id in listed))
    again = runt("stop", "--by", "mcp")
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == "runt: nothing that mcp has started is alive\n"
    assert json.loads(runt("kill", "--by", "mcp", "--json").stdout)["ended"] == []
    assert daemon.call("runtime.get", runtime=repl.id)["status"] == "alive"


def test_a_runtime_is_shared_and_taken_back(daemon: Daemon, repl: Repl, runt: Runt) -> None:
    runtime = daemon.call("runtime.get", runtime=repl.id)
    short, name = runtime["short_id"], runtime["name"]
    assert "Shared" not in runt("ps", "--wide").stdout
    assert runt("share", short).stdout == f"shared with agents: {short} ({name})\n"
    assert runt("ps", "--wide").stdout.splitlines()[0].endswith("\tShared")
    assert daemon.call("runtime.get", runtime=repl.id)["shared"]
    assert runt("share", short, "--off", "-q").stdout == f"{short}\n"
    assert not daemon.call("runtime.get", runtime=repl.id)["shared"]
    assert runt("share", "nobody").returncode == 3


def test_limits_are_options_of_start(daemon: Daemon, runt: Runt) -> None:
    runt("start", "python3", "--name", "limited", "--time-limit", "0.5s", "--output-limit", "10K")
    done = runt("eval", "-r", "limited", "while True: pass")
    assert done.returncode == 130
    assert "it ran longer than 500 ms, the time limit of its runtime" in done.stderr
    done = runt("eval", "-r", "limited", "while True: print('x' * 80, flush=True)")
    assert done.returncode == 130
    assert "it put out more than 10 KiB, the output limit of its runtime" in done.stderr
    limits = daemon.call("runtime.get", runtime="limited")["limits"]
    assert (limits["execution_s"], limits["output_bytes"]) == (0.5, 10_240)


def test_what_is_let_go_of_runs_on_and_can_be_waited_for(daemon: Daemon, runt: Runt) -> None:
    options = ("--time-limit", "0.5", "--on-time-limit", "detach")
    runt("start", "python3", "--name", "patient", *options)
    done = runt("eval", "-r", "patient", "import time; print(1, flush=True); time.sleep(2); 'end'")
    assert (done.returncode, done.stdout) == (124, "1\n")
    assert "the time limit of its runtime, and was left running" in done.stderr
    id = done.stderr.split()[-3]
    assert done.stderr.endswith(f"{id} still running\n")
    assert runt("wait", id).stdout == f"{id} done\n"
    assert runt("output", id).stdout == "1\n'end'\n"
