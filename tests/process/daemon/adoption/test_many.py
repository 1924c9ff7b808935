"""Two hundred kernels at once: each is there once, whoever of us dies in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.process.daemon.adoption.waiting import until
from tests.process.daemon.story import final
from tests.process.daemon.test_keeper_lost import kill_keeper

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon
    from tests.process.daemon.adoption.conftest import Fakes

KERNELS = 200


def all_alive(daemon: Daemon) -> dict[str, str]:
    """Wait until all are alive; return their connection files, by id."""

    def look() -> list[Any] | None:
        found = daemon.call("runtime.list", all=True)
        assert len(found) <= KERNELS, "one is there twice"
        is_done = [runtime["status"] for runtime in found] == ["alive"] * KERNELS
        return found if is_done else None

    return {runtime["id"]: runtime["connection_file"] for runtime in until(look, "all of them")}


def submit(daemon: Daemon, runtimes: dict[str, str]) -> list[str]:
    """Submit one execution to each; return their ids. None of them is waited for."""
    with daemon.state.connection() as client:
        calls: list[tuple[str, dict[str, Any] | None]] = [
            ("execution.submit", {"runtime": runtime, "code": "1 + 1"}) for runtime in runtimes
        ]
        return [client.result(request)["id"] for request in client.send_many(calls)]


def test_each_is_there_once_and_evaluates_once(daemon: Daemon, fakes: Fakes) -> None:
    files = {str(fakes.kernel(str(number))) for number in range(KERNELS)}
    runtimes = all_alive(daemon)
    assert set(runtimes.values()) == files
    first = submit(daemon, runtimes)
    daemon.kill()
    daemon.start()
    assert all_alive(daemon) == runtimes
    for execution in first:
        done = final(daemon, execution)
        assert (done["status"], done["execution_count"]) == ("done", 1), done
    second = submit(daemon, runtimes)
    kill_keeper(daemon)
    assert all_alive(daemon) == runtimes
    ends = {}
    for execution in second:
        done = final(daemon, execution)
        # The kernel may have had it when the keeper died, and only the keeper could have told.
        assert done["status"] in ("done", "lost"), done
        assert done["execution_count"] in (2, None)
        ends[done["runtime"]["id"]] = done["status"]
    assert set(ends) == set(runtimes)
    for execution in submit(daemon, runtimes):
        done = final(daemon, execution)
        was_lost = ends[done["runtime"]["id"]] == "lost"
        assert done["status"] == "done", done
        assert done["execution_count"] in ((2, 3) if was_lost else (3,)), done
