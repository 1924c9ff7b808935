"""What agents are let see, and what becomes of the runtimes that they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.harness.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.daemon import State
    from tests.process.daemon.executions.conftest import Repl

DAY_S = 86_400.0


@pytest.fixture(scope="module")
def daemon(state: State) -> Iterator[Daemon]:
    env = {"RUNTIMED_AGENT_TIME_LIMIT_S": "100", "RUNTIMED_AGENT_OUTPUT_LIMIT_BYTES": "1 MiB"}
    env["RUNTIMED_IMPLICIT_IDLE_STOP_S"] = "2d"
    daemon = Daemon(state, env | {"RUNTIMED_PROBE_INTERVAL_S": "0.1"}).start()
    try:
        yield daemon
    finally:
        daemon.dispose()


def test_a_person_shares_a_runtime_and_takes_it_back(daemon: Daemon, repl: Repl) -> None:
    assert not daemon.call("runtime.get", runtime=repl.id)["shared"]
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"runtime": repl.id, "types": ["runtime"]})
        for shared in (True, False):
            assert (
                client.call("runtime.share", {"runtime": repl.id, "shared": shared})["shared"]
                is shared
            )
            told = next(
                event["params"]["data"]
                for event in client.notifications()
                if "shared" in event["params"]["data"]
            )
            assert told["shared"] is shared


def test_an_agent_shares_nothing(daemon: Daemon, repl: Repl, call_as: Callable[..., Any]) -> None:
    for shared in (True, False):
        with pytest.raises(CallFailed, match="a person can") as refused:
            call_as("claude-code", "runtime.share", runtime=repl.id, shared=shared)
        assert refused.value.exit_code == 7
    assert not daemon.call("runtime.get", runtime=repl.id)["shared"]


def test_what_the_record_has_of_agents_no_agent_takes_off(
    daemon: Daemon, call_as: Callable[..., Any]
) -> None:
    runtime = call_as("bot", "runtime.start", kernel_name="python3")["id"]
    run = call_as("bot", "execution.eval", runtime=runtime, code="1", wait_s=60)["id"]
    with pytest.raises(CallFailed, match="a person can") as refused:
        call_as("bot", "runtime.forget", runtime=runtime)
    assert refused.value.exit_code == 7
    assert daemon.call("execution.get", execution=run)["code"] == "1"
    call_as("other", "runtime.kill", runtime=runtime)
    assert "killed by other" in daemon.state.logs()


def test_only_an_exact_name_is_shared(daemon: Daemon, repl: Repl) -> None:
    name = daemon.call("runtime.get", runtime=repl.id)["name"]
    with pytest.raises(CallFailed) as refused:
        daemon.call("runtime.share", runtime=name[:-1])
    assert refused.value.name == "RuntimeNotFound"


def test_what_an_agent_starts_has_the_limits_of_the_settings(
    daemon: Daemon, state: State, call_as: Callable[..., Any]
) -> None:
    explicit = call_as(None, "runtime.start", kernel_name="python3")
    assert explicit["idle_stop_s"] == DAY_S
    assert explicit["limits"]["execution_s"] == 100
    assert explicit["limits"]["on_execution_s"] == "interrupt"
    assert explicit["limits"]["output_bytes"] == 2**20
    assert not any("allows agents" in notice for notice in explicit["notices"])
    limits = {"execution_s": 500, "on_execution_s": "detach", "output_bytes": 1000}
    asked = call_as(
        "codex", "runtime.start", kernel_name="python3", idle_stop_s=2 * DAY_S, limits=limits
    )
    assert asked["idle_stop_s"] == DAY_S
    assert asked["limits"]["execution_s"] == 100
    assert asked["limits"]["on_execution_s"] == "interrupt"
    assert any("on_execution_s is interrupt and not detach" in each for each in asked["notices"])
    assert asked["limits"]["output_bytes"] == 1000
    cut = [notice for notice in asked["notices"] if "allows agents" in notice]
    assert [notice.partition(" is ")[0] for notice in cut] == ["idle_stop_s", "execution_s"]
    project = {"project": str(state.project), "code": "1", "wait_s": 60}
    implicit = call_as("codex", "execution.eval", **project)
    runtime = daemon.call("runtime.get", runtime=implicit["runtime"]["id"])
    assert (runtime["idle_stop_s"], runtime["limits"]["execution_s"]) == (DAY_S, 100)
    assert runtime["started_by"]["agent"] == "codex"
    assert not any("allows agents" in notice for notice in runtime["notices"]), "it asked for none"


def test_a_persons_runtime_has_none_of_them(daemon: Daemon, repl: Repl) -> None:
    runtime = daemon.call("runtime.get", runtime=repl.id)
    assert (runtime["idle_stop_s"], runtime["limits"]) == (None, None)


@pytest.mark.parametrize("left_behind", ["1", "input('Go on? ')"])
def test_an_agents_runtime_stops_when_it_was_idle_for_long_enough(
    daemon: Daemon, call_as: Callable[..., Any], left_behind: str
) -> None:
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"types": ["runtime"]})
        left = call_as("codex", "runtime.start", kernel_name="python3", idle_stop_s=1)["id"]
        call_as("codex", "execution.submit", runtime=left, code=left_behind)
        for event in client.notifications():
            if event["params"]["runtime"] == left and event["params"]["data"]["status"] == "dead":
                break
    assert event["params"]["data"]["exit"]["reason"] == "idle"
    assert left in [each["id"] for each in daemon.call("runtime.list", all=True, by="codex")]
