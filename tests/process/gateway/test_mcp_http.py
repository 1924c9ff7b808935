"""`/mcp` of `runt serve`: MCP for who has the token, at each revision; nobody hangs up for good."""

from __future__ import annotations

import asyncio
import signal
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mcp_types as types
import pytest

from runtimed.mcp.desk import MOST_DESKS
from tests.harness.mcp_client import (
    LAST_SESSIONS,
    LATEST,
    REVISIONS,
    execution_in,
    fail,
    say,
    text_of,
)
from tests.harness.mcp_http import ByHand, http_client
from tests.harness.serving import Serving, serving
from tests.process.daemon.adoption.waiting import until
from tests.process.daemon.executions.conftest import daemon, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon, State

__all__ = ["daemon", "state"]  # one daemon for all tests of this module

_BOTH = pytest.mark.parametrize("revision", [LAST_SESSIONS, LATEST])


@pytest.fixture(scope="module")
def served(state: State, daemon: Daemon) -> Iterator[Serving]:
    with serving(state, "--tcp", "127.0.0.1:0") as found:
        yield found


@pytest.fixture(scope="module")
def shared(daemon: Daemon) -> str:
    """Return the name of a runtime that a person has started and shared."""
    runtime = daemon.call("runtime.start", name="shared-one")
    daemon.call("runtime.share", runtime=runtime["id"])
    return "shared-one"


def modules_of(served: Serving) -> str:
    return Path(f"/proc/{served.process.pid}/maps").read_text()


def running(daemon: Daemon, text: str) -> dict[str, Any]:
    """Wait until an execution has put this out, and return it."""

    def look() -> dict[str, Any] | None:
        for found in daemon.call("execution.list", limit=3, status=["running"]):
            page = daemon.call("execution.output", execution=found["id"])
            if text in "".join([*page["lines"], page["unfinished"] or ""]):
                execution: dict[str, Any] = found
                return execution
        return None

    found: dict[str, Any] = until(look)
    return found


def going_until(file: Path, begun: str) -> str:
    """Return code that says that it has begun, and goes on until the file is there."""
    return (
        f"import os, time\nprint({begun!r}, flush=True)\n"
        f"while not os.path.exists({str(file)!r}): time.sleep(0.01)\nprint('over')"
    )


def test_nothing_of_it_is_loaded_before_somebody_asks(served: Serving) -> None:
    """The first test here: all others ask."""
    assert served.ask("GET", "/v0/runtimes")[0] == 200
    assert served.ask("POST", "/mcp", {}, Authorization="Bearer wrong")[0] == 401
    assert "pydantic_core" not in modules_of(served)


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_hosted_model_runs_code_and_is_known_by_its_name(
    served: Serving, daemon: Daemon, shared: str, revision: str
) -> None:
    said: list[str | None] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        said.append(message)

    async with http_client(served, revision, name=f"hosted {revision}") as client:
        assert client.protocol_version == revision
        assert len((await client.list_tools()).tools) == 10
        assert "42" in await say(client, "run_code", code="x = 42; x", runtime=shared)
        arguments = {"code": "import time; print('on'); time.sleep(1.2); x", "runtime": shared}
        result = await client.call_tool("run_code", arguments, progress_callback=heard)
        assert "42" in text_of(result) and said == ["on"]
    assert "pydantic_core" in modules_of(served)
    by = daemon.call("execution.list", by=f"hosted-{revision}")
    assert {each["requested_by"]["client"] for each in by} == {"mcp"} and len(by) == 2


async def test_agents_see_their_own_runtimes_only(served: Serving, shared: str) -> None:
    async with http_client(served, name="one") as one, http_client(served, name="two") as two:
        await say(one, "start_runtime", name="of-one")
        assert "of-one" in await say(one, "list_runtimes")
        listed = await say(two, "list_runtimes")
        assert "of-one" not in listed and shared in listed
        assert "No runtime that you may use" in await fail(two, "stop_runtime", runtime="of-one")
        assert "stopped" in await say(one, "stop_runtime", runtime="of-one")


@_BOTH
async def test_who_hangs_up_ends_the_request_and_not_the_execution(
    served: Serving, daemon: Daemon, shared: str, tmp_path: Path, revision: str
) -> None:
    go, begun = tmp_path / "go", f"begun {revision}"

    def hang_up() -> dict[str, Any]:
        arguments = {"code": going_until(go, begun), "runtime": shared, "wait_s": 300}
        connection = ByHand(served, revision).post(
            "tools/call", {"name": "run_code", "arguments": arguments}
        )
        execution = running(daemon, begun)
        connection.close()
        return execution

    execution = await asyncio.to_thread(hang_up)
    async with http_client(served, revision, name="by-hand") as client:
        seen = await say(client, "get_output", execution=execution["id"])
        assert begun in seen and "still running" in seen
        go.touch()
        assert "over" in await say(client, "wait_execution", execution=execution["id"])


async def test_an_explicit_cancel_of_a_session_interrupts(
    served: Serving, daemon: Daemon, shared: str, tmp_path: Path
) -> None:
    code = going_until(tmp_path / "never", "to be cancelled")
    async with http_client(served, LAST_SESSIONS) as client:
        async with asyncio.TaskGroup() as group:
            call = group.create_task(say(client, "run_code", code=code, runtime=shared))
            execution = await asyncio.to_thread(running, daemon, "to be cancelled")
            call.cancel()
            # The loop has to turn for it to be sent.
            wait = {"execution": execution["id"], "wait_s": 20}
            ended = await asyncio.to_thread(daemon.call, "execution.wait", **wait)
        assert ended["status"] == "interrupted"


async def test_input_is_asked_of_the_person_at_the_client(served: Serving, shared: str) -> None:
    async def answer(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"value": "Ada"})

    for revision in (LAST_SESSIONS, LATEST):
        async with http_client(served, revision, elicitation_callback=answer) as client:
            said = await say(client, "run_code", code="input('Who? ').upper()", runtime=shared)
            assert "ADA" in said


def test_strangers_pages_and_other_names_are_refused(served: Serving) -> None:
    for verb in ("POST", "GET", "DELETE"):
        for headers, status in (
            ({"Authorization": ""}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Host": "rebound.example"}, 421),
        ):
            found = served.ask(verb, "/mcp", {} if verb == "POST" else None, **headers)
            assert found[0] == status, (verb, headers)


def test_what_is_no_mcp_is_refused(served: Serving) -> None:
    accept = {"Accept": "application/json, text/event-stream"}
    assert served.ask("POST", "/mcp", {"no": "message"}, **accept)[0] == 400
    assert served.ask("POST", "/mcp", [], **accept)[0] == 400
    assert served.ask("PUT", "/mcp", {}, **accept)[0] == 405
    gone = served.ask("GET", "/mcp", **accept, **{"Mcp-Session-Id": "0" * 32})
    assert gone[0] == 404
    assert served.ask("GET", "/mcp/x", **accept)[0] == 404


@_BOTH
def test_a_body_has_a_limit_and_who_exceeds_it_harms_nobody(served: Serving, revision: str) -> None:
    arguments = {"code": "x" * 9_000_000}
    by_hand = ByHand(served, revision)
    connection = by_hand.post("tools/call", {"name": "run_code", "arguments": arguments})
    assert connection.getresponse().status == 413
    connection.close()
    assert served.ask("GET", "/v0/runtimes")[0] == 200


@pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning")
async def test_who_has_subscribed_and_gone_is_told_nothing(
    served: Serving, daemon: Daemon, shared: str
) -> None:
    async with http_client(served, LAST_SESSIONS) as gone:
        said = await say(gone, "run_code", code="input()", runtime=shared)
        id = daemon.call("execution.get", execution=execution_in(said))["id"]
        await gone.subscribe_resource(f"runtimed://executions/{id}")
    async with http_client(served) as there:
        async with there.listen(resource_subscriptions=[f"runtimed://executions/{id}"]) as stream:
            daemon.call("execution.input", execution=id, value="x")
            async with asyncio.timeout(30):
                await anext(aiter(stream))
        assert "done in" in await say(there, "get_output", execution=id)


async def test_a_page_of_an_allowed_origin_can_be_a_client(state: State, daemon: Daemon) -> None:
    page = "https://inspector.example"
    with serving(state, "--tcp", "127.0.0.1:0", "--allow-origin", page) as served:
        asked = {"Access-Control-Request-Method": "POST", "Authorization": "", "Origin": page}
        status, headers, _ = await asyncio.to_thread(served.ask, "OPTIONS", "/mcp", **asked)
        assert status == 204
        assert "mcp-session-id" in headers["access-control-allow-headers"].lower()
        accept = {"Accept": "application/json, text/event-stream", "Origin": page}
        status, headers, _ = await asyncio.to_thread(served.ask, "POST", "/mcp", {}, **accept)
        assert (status, headers["access-control-allow-origin"]) == (400, page)
        assert "mcp-session-id" in headers["access-control-expose-headers"].lower()


async def test_the_tools_alone_can_be_served(state: State, daemon: Daemon, shared: str) -> None:
    only = ("--mcp-only", "--mcp-read-only", "--mcp-agent", "reader")
    with serving(state, "--tcp", "127.0.0.1:0", *only) as served:
        status, _, problem = await asyncio.to_thread(served.ask, "GET", "/v0/runtimes")
        assert (status, problem["detail"]) == (403, "only /mcp is served here")
        async with http_client(served) as client:
            assert len((await client.list_tools()).tools) == 5
            assert "read only" in await fail(client, "run_code", code="1")
            assert shared in await say(client, "list_runtimes")
        by = await asyncio.to_thread(daemon.call, "execution.list", by="reader")
        assert by == []


async def test_it_ends_in_order_whoever_listens(
    state: State, daemon: Daemon, shared: str, tmp_path: Path
) -> None:
    """A session's stream and a listener never end by themselves, a call does when it is over."""
    go = tmp_path / "go"
    with serving(state, "--tcp", "127.0.0.1:0") as served:

        def listen_and_call() -> tuple[int, str, str]:
            session, modern = ByHand(served, LAST_SESSIONS), ByHand(served, LATEST)
            wanted = {"notifications": {"resourcesListChanged": True}}
            arguments = {"code": going_until(go, "at the end"), "runtime": shared, "wait_s": 60}
            call = {"name": "run_code", "arguments": arguments}
            with (
                closing(modern.post("subscriptions/listen", wanted)) as listener,
                closing(session.post("tools/call", call)) as calling,
                listener.getresponse() as stream,
            ):
                assert stream.status == 200
                running(daemon, "at the end")
                served.process.send_signal(signal.SIGTERM)
                go.touch()
                with calling.getresponse() as answer:
                    assert b"over" in answer.read()
                out, err = served.process.communicate(timeout=30)
            return served.process.returncode, out, err

        assert await asyncio.to_thread(listen_and_call) == (0, "", "")


async def test_the_daemon_may_be_replaced(  # the last one here: it is not ours then
    served: Serving, daemon: Daemon, shared: str, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    async with http_client(served, LAST_SESSIONS) as client:
        async with asyncio.TaskGroup() as group:
            code = going_until(go, "before")
            call = group.create_task(say(client, "run_code", code=code, runtime=shared))
            await asyncio.to_thread(running, daemon, "before")
            daemon.kill()  # the server starts another one
            go.touch()
        assert "over" in call.result()
        assert "1" in await say(client, "run_code", code="1", runtime=shared)


def test_names_that_are_claimed_take_no_more_connections_than_there_are_desks(
    served: Serving,
) -> None:
    descriptors = Path(f"/proc/{served.process.pid}/fd")
    before = len([*descriptors.iterdir()])
    for number in range(MOST_DESKS + 20):
        client = ByHand(served, LATEST, f"agent-{number}")
        with closing(
            client.post("tools/call", {"name": "list_runtimes", "arguments": {}})
        ) as connection:
            assert b'"resultType"' in connection.getresponse().read()
    assert len([*descriptors.iterdir()]) < before + MOST_DESKS + 10
