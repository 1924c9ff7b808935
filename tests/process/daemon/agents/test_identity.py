"""Who did what: agents are on the record by their names, and lists can be restricted to them."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client import connect
from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.daemon import Daemon, State
    from tests.process.daemon.agents.conftest import As
    from tests.process.daemon.executions.conftest import Repl


@pytest.fixture(scope="module")
def theirs(repl: Repl, call_as: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """A runtime that claude-code started over MCP; ours is `repl`."""
    yield call_as("claude-code", "runtime.start", kernel_name="python3", name="theirs")


def codes(found: list[Any]) -> list[str]:
    return [each.get("execution", each)["code"] for each in found]


def test_a_runtime_knows_who_started_it(
    daemon: Daemon, repl: Repl, theirs: dict[str, Any], as_client: As
) -> None:
    assert theirs["started_by"]["client"] == "mcp"
    assert theirs["started_by"]["agent"] == "claude-code"
    ours = daemon.call("runtime.get", runtime=repl.id)
    assert ours["started_by"] | {"pid": 0} == {
        "client": "tests",
        "agent": None,
        "session": None,
        "pid": 0,
    }
    for by, expected in {
        "mcp": ["theirs"],
        "claude-code": ["theirs"],
        "tests": [ours["name"]],
        "codex": [],
    }.items():
        assert [each["name"] for each in daemon.call("runtime.list", by=by)] == expected


def test_what_an_agent_runs_is_found_by_its_name_and_by_its_kind(
    daemon: Daemon, repl: Repl, theirs: dict[str, Any], call_as: Callable[..., Any]
) -> None:
    wanted = [
        ("claude-code", theirs["id"], "'heron one'"),
        ("codex", theirs["id"], "'heron two'"),
        ("claude-code", repl.id, "'heron three'"),
        (None, repl.id, "'heron four'"),
    ]
    for agent, runtime, code in wanted:
        call_as(agent, "execution.eval", runtime=runtime, code=code, wait_s=60)
    repl.eval("'heron five'")
    newest_first = [code for _, _, code in reversed(wanted)]
    assert codes(daemon.call("execution.list", by="mcp")) == newest_first
    for agent in ("claude-code", "codex"):
        expected = [code for by, _, code in reversed(wanted) if by == agent]
        assert codes(daemon.call("execution.list", by=agent)) == expected
        assert set(codes(daemon.call("execution.search", query="heron", by=agent))) == set(expected)
        assert codes(daemon.call("execution.list", by=agent, grep="heron")) == expected
    mine = daemon.call("execution.list", runtime=repl.id, by="tests", limit=1)
    assert codes(mine) == ["'heron five'"]
    assert mine[0]["requested_by"]["agent"] is None
    assert daemon.call("execution.list", by="nobody") == []


def test_a_proxy_asks_for_what_its_client_may_see(
    daemon: Daemon, repl: Repl, theirs: dict[str, Any], call_as: Callable[..., Any]
) -> None:
    call_as("claude-code", "execution.eval", runtime=theirs["id"], code="'ibis in', 1", wait_s=60)
    repl.eval("'ibis out', 2")
    for method in ("execution.list", "execution.search"):
        words = {"query": "ibis"} if method == "execution.search" else {"grep": "ibis"}
        seen = daemon.call(method, runtimes=[theirs["id"].lower(), "0" * 26], **words)
        assert codes(seen) == ["'ibis in', 1"]
        assert daemon.call(method, runtimes=[], **words) == []
        assert daemon.call(method, runtimes=[theirs["id"]], runtime=repl.id, **words) == []
        many = ["0" * 26] * 9_999 + [repl.id]
        assert codes(daemon.call(method, runtimes=many, **words)) == ["'ibis out', 2"]
        with pytest.raises(CallFailed, match="10000"):
            daemon.call(method, runtimes=[*many, repl.id], **words)
        with pytest.raises(CallFailed, match=r"runtimes"):
            daemon.call(method, runtimes=["theirs"], **words)


@pytest.mark.parametrize("agent", ["", "x" * 65, "two words", "a\n", "é"])
def test_what_is_no_name_for_an_agent_is_refused(daemon: Daemon, agent: str) -> None:
    with pytest.raises(CallFailed) as refused:
        daemon.call("daemon.hello", client="mcp", agent=agent)
    assert refused.value.exit_code == 2


def test_the_python_client_says_which_agent_it_works_for(daemon: Daemon, repl: Repl) -> None:
    with connect(str(daemon.state.socket), start=False, client="mcp", agent="o.k-1_") as client:
        ran = client.runtime(repl.id).eval("1", wait_s=60)
    assert (ran.requested_by.client, ran.requested_by.agent) == ("mcp", "o.k-1_")


def over_http(state: State, agent: str, code: str, runtime: str) -> tuple[int, Any]:
    with socket.socket(socket.AF_UNIX) as connected:
        connected.connect(str(state.socket))
        client = http.client.HTTPConnection("runtimed")
        client.sock = connected
        headers = {"Runtimed-Agent": agent, "Content-Type": "application/json"}
        path = f"/v0/runtimes/{runtime}/executions?wait_s=60"
        client.request("POST", path, json.dumps({"code": code}), headers)
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())


def test_over_http_a_header_says_which_agent_it_is(state: State, repl: Repl) -> None:
    status, ran = over_http(state, "curlew", "3", repl.id)
    assert (status, ran["requested_by"]["agent"]) == (201, "curlew")
    status, problem = over_http(state, "two words", "4", repl.id)
    assert status == 400
    assert "two words" in problem["detail"]


def test_agents_and_what_is_shared_survive_a_restart_of_the_daemon(
    daemon: Daemon, repl: Repl, theirs: dict[str, Any]
) -> None:
    daemon.call("runtime.share", runtime=repl.id)
    daemon.stop()
    daemon.start()
    assert daemon.call("runtime.get", runtime=repl.id)["shared"]
    again = daemon.call("runtime.get", runtime=theirs["id"])
    assert again["started_by"] == theirs["started_by"]
    assert not again["shared"]
    daemon.call("runtime.share", runtime=repl.id, shared=False)
