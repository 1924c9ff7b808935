"""What a client sees of a daemon that is killed, stopped and started again: nothing."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from runtimed.api.errors import DaemonUnreachable
from runtimed.client import connect, connect_async
from tests.harness.daemon import State
from tests.process.daemon.story import WAIT_S

if TYPE_CHECKING:
    from pathlib import Path

    from runtimed.client import AsyncExecution, Client, Runtime
    from tests.harness.daemon import Daemon


def again(daemon: Daemon, how: signal.Signals) -> None:
    """End the daemon, and start the next one."""
    if how is signal.SIGKILL:
        daemon.kill()
    else:
        daemon.stop()
    daemon.start()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_waiting_and_events_go_on(
    daemon: Daemon, client: Client, runtime: Runtime, tmp_path: Path, how: signal.Signals
) -> None:
    """This client may not start a daemon: it waits for the next."""
    gate = tmp_path / "gate"
    gate.touch()
    code = f"import os, time\nwhile os.path.exists({str(gate)!r}): time.sleep(0.01)\n'over'"
    results: list[str | None] = []
    events = runtime.events(types=["execution"])
    execution = runtime.submit(code)
    threads = [
        threading.Thread(target=lambda: results.append(execution.wait(WAIT_S).result)),
        threading.Thread(target=lambda: results.append(runtime.eval("'after'").result)),
    ]
    for thread in threads:
        thread.start()
    while len(list(runtime.history(status=["queued"]))) < 1:
        pass
    first = client.hello.pid
    again(daemon, how)
    gate.unlink()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["'after'", "'over'"]
    assert client.hello.pid == daemon.pid != first
    seen: list[str | None] = []
    while len(seen) < 2:
        event = next(events)
        if event.data.get("status") == "done":
            seen.append(event.execution)
    assert seen[0] == execution.id
    events.close()


def test_asyncio(daemon: Daemon, runtime: Runtime) -> None:
    async def story() -> None:
        async with connect_async(str(daemon.state.socket), start=False) as client:
            mine = await client.runtime(runtime.id)
            many = await asyncio.gather(*(mine.eval(f"{n}") for n in range(20)))
            assert [each.result for each in many] == [f"{n}" for n in range(20)]
            asked = await mine.submit("input('?')")
            events = mine.events(types=["input"], since="start")
            async with events:
                async for event in events:
                    if event.execution == asked.id:
                        break
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asked.wait()
            assert (await asked.refresh()).status == "waiting_input"
            await through_a_restart(asked)
            assert asked._repr_mimebundle_()[0] == {"text/plain": "'yes'"}
            history = [each async for each in mine.history(status=["done"])]
            assert history[0].id == asked.id

    async def through_a_restart(asked: AsyncExecution) -> None:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(asked.wait(WAIT_S))
            await asyncio.sleep(0)
            await asyncio.to_thread(again, daemon, signal.SIGKILL)
            await asked.reply("yes")
            assert (await waiting).result == "'yes'"

    asyncio.run(story(), debug=True)


def test_what_can_be_done_only_once_is_not_repeated(daemon: Daemon, runtime: Runtime) -> None:
    """An interrupt that waits for its effect, when the daemon is killed: who knows."""
    execution = runtime.submit(
        "import time\nprint('x', flush=True)\n"
        "while True:\n try: time.sleep(600)\n except KeyboardInterrupt: print('no', flush=True)"
    )
    pieces = execution.stream()
    next(pieces)
    failures: list[DaemonUnreachable] = []

    def interrupt() -> None:
        try:
            execution.interrupt()
        except DaemonUnreachable as failure:
            failures.append(failure)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert next(pieces).text == "no\n"
    daemon.kill()
    thread.join()
    daemon.start()
    assert len(failures) == 1
    runtime.restart()
    assert execution.wait(WAIT_S).is_final


ON_DEMAND = """
import os, signal
from runtimed.client import connect
with connect() as client:
    first = client.hello.pid
    os.kill(first, signal.SIGKILL)
    assert client.api.runtime.list() == []
    assert client.hello.pid != first
"""


def test_it_is_started_on_demand_and_again() -> None:
    state = State.create()
    try:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", ON_DEMAND],
            env=state.env,
            capture_output=True,
            text=True,
        )
        assert (done.stderr, done.returncode) == ("", 0)
    finally:
        state.dispose()


def test_nobody_is_waited_for_at_first(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachable, match="does not run"):
        connect(str(tmp_path / "s"), start=False)
