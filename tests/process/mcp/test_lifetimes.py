"""Calls, connections, servers and daemons end; what runs does not, unless it is cancelled."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.daemon import runt
from tests.harness.mcp_client import (
    LAST_SESSIONS,
    LATEST,
    RUNT,
    execution_in,
    mcp_client,
    say,
    text_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.daemon import Daemon, State

_BOTH = pytest.mark.parametrize("revision", [LAST_SESSIONS, LATEST])


def _until(file: Path, *, begin: str = "begun") -> str:
    """Return code that says that it has begun, and goes on until the file is there."""
    return (
        f"import os, time\nprint({begin!r}, flush=True)\n"
        f"while not os.path.exists({str(file)!r}): time.sleep(0.01)\nprint('over')"
    )


@_BOTH
async def test_code_outlasts_its_call_and_the_server(
    state: State, shared: str, tmp_path: Path, revision: str
) -> None:
    go = tmp_path / "go"
    async with mcp_client(state, revision) as client:
        said = await say(client, "run_code", code=_until(go), runtime=shared, wait_s=1)
        execution = execution_in(said)
        assert "still running" in said and "begun" in said
        assert f"wait_execution(execution='{execution}')" in said
    # That server has ended; its successor goes on.
    async with mcp_client(state, revision) as client:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(say(client, "wait_execution", execution=execution))
            go.touch()
        assert "done in" in waiting.result() and "begun\nover" in waiting.result()


@_BOTH
async def test_a_killed_server_detaches(
    state: State, shared: str, daemon: Daemon, tmp_path: Path, revision: str
) -> None:
    go = tmp_path / "go"
    with pytest.raises(BaseExceptionGroup):
        async with mcp_client(state, revision) as client, asyncio.TaskGroup() as group:
            group.create_task(say(client, "run_code", code=_until(go), runtime=shared))
            execution = await _running(daemon, "begun")
            os.kill(execution["requested_by"]["pid"], signal.SIGKILL)
    async with mcp_client(state, revision) as client:
        id = execution["id"]
        assert "begun" in await say(client, "get_output", execution=id)
        go.touch()
        assert "begun\nover" in await say(client, "wait_execution", execution=id)


@_BOTH
async def test_an_explicit_cancel_interrupts(
    state: State, shared: str, daemon: Daemon, tmp_path: Path, revision: str
) -> None:
    async with mcp_client(state, revision) as client:
        async with asyncio.TaskGroup() as group:
            call = group.create_task(
                say(client, "run_code", code=_until(tmp_path / "never"), runtime=shared)
            )
            execution = await _running(daemon, "begun")
            call.cancel()
        ended = daemon.call("execution.wait", execution=execution["id"], wait_s=20)
        assert ended["status"] == "interrupted"
        # A call that only waits may be cancelled for nothing.
        go = tmp_path / "go"
        said = await say(client, "run_code", code=_until(go), runtime=shared, wait_s=0)
        async with asyncio.TaskGroup() as group:
            call = group.create_task(say(client, "wait_execution", execution=execution_in(said)))
            await _running(daemon, "begun")
            call.cancel()
        go.touch()
        assert "over" in await say(client, "wait_execution", execution=execution_in(said))


async def test_a_cancelled_call_leaves_no_kernel_that_nobody_was_told_of(
    state: State, daemon: Daemon
) -> None:
    async with mcp_client(state, name="impatient") as client:
        for tool, arguments in (("run_code", {"code": "1"}), ("start_runtime", {})):
            before = {each["id"] for each in daemon.call("runtime.list", all=True)}
            async with asyncio.TaskGroup() as group:
                call = group.create_task(say(client, tool, **arguments))
                await _appeared(daemon, before)
                call.cancel()
            runtime = await _appeared(daemon, before)
            async with asyncio.timeout(30):
                while daemon.call("runtime.get", runtime=runtime)["status"] != "dead":
                    await asyncio.sleep(0.05)


async def _appeared(daemon: Daemon, before: set[str]) -> str:
    async with asyncio.timeout(30):
        while True:
            for each in daemon.call("runtime.list", all=True):
                if each["id"] not in before:
                    return str(each["id"])
            await asyncio.sleep(0.02)


async def test_progress_says_the_last_line(state: State, shared: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    said: list[tuple[float, float | None, str | None]] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        said.append((progress, total, message))
        if len(said) == 2:
            go.touch()

    code = _until(go, begin="  0%|   |\r 50%|#  |")
    async with mcp_client(state) as client:
        arguments = {"code": code, "runtime": shared, "wait_s": 60}
        result = await client.call_tool("run_code", arguments, progress_callback=heard)
        assert "over" in text_of(result)
    assert [each[2] for each in said[:2]] == ["50%|#  |"] * 2
    assert said[0][0] < said[1][0] <= 60 and said[0][1] == 60


async def test_each_sees_what_the_other_runs(state: State, shared: str, daemon: Daemon) -> None:
    attached = await asyncio.create_subprocess_exec(
        *(RUNT, "attach", shared, "--since", "start", "--json"),
        env=state.env,
        stdout=asyncio.subprocess.PIPE,
    )
    assert attached.stdout is not None
    async with mcp_client(state, name="claude code!") as client:
        await say(client, "run_code", code="print('from', 'the agent')", runtime=shared)
        async with asyncio.timeout(30):
            async for line in attached.stdout:  # live, while the agent is still there
                if b"from the agent" in line:
                    break
        person = await asyncio.to_thread(
            runt, state, "eval", "--runtime", shared, "print('from', 'the person')"
        )
        assert person.returncode == 0, person.stderr
        assert "from the person" in await say(client, "search_history", query="person", limit=1)
    attached.terminate()
    await attached.wait()
    mine = runt(state, "history", "--by", "mcp", "--json")
    assert mine.returncode == 0 and "the agent" in mine.stdout
    assert '"agent": "claude-code"' in mine.stdout or '"agent":"claude-code"' in mine.stdout


async def test_the_daemon_may_be_replaced_under_a_call(  # the last one here: it is not ours then
    state: State, shared: str, daemon: Daemon, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    async with mcp_client(state) as client:
        async with asyncio.TaskGroup() as group:
            call = group.create_task(say(client, "run_code", code=_until(go), runtime=shared))
            await _running(daemon, "begun")
            daemon.kill()  # the server starts another one
            go.touch()
        assert "begun\nover" in call.result()
        assert "1" in await say(client, "run_code", code="1", runtime=shared)


async def _running(daemon: Daemon, text: str) -> dict[str, Any]:
    """Wait until the newest execution has put this out, and return it."""

    def look() -> dict[str, Any] | None:
        for found in daemon.call("execution.list", limit=1, status=["running"]):
            page = daemon.call("execution.output", execution=found["id"])
            if text in "".join([*page["lines"], page["unfinished"] or ""]):
                execution: dict[str, Any] = found
                return execution
        return None

    async with asyncio.timeout(30):
        while (found := await asyncio.to_thread(look)) is None:
            await asyncio.sleep(0.02)
    return found
