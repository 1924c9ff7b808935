"""The median evaluation on one kernel while 300 are up ÷ before and after, when it is alone."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench.harness import Value, client_of, keeper_pid, memory_mb, new_daemon, seconds
from runtimed.api.executions import ExecutionEval
from runtimed.api.runtimes import RuntimeStart
from tests.harness import fake_kernels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.client.blocking import Client
    from tests.harness.daemon import Daemon

KERNELS = 300
WARM_UP_ROUNDS = 50
ROUNDS = 500
_KILLED_AT_ONCE = 20


def measure() -> Iterator[Value]:
    with new_daemon() as daemon, client_of(daemon) as client:
        jupyter_dir = daemon.state.home / ".local/share/jupyter"
        with fake_kernels.serving(jupyter_dir, daemon.state.root / "z"):
            first = _start(client)
            _evaluate_s(client, first, WARM_UP_ROUNDS)
            one_s = _evaluate_s(client, first, ROUNDS // 2)
            others: list[str] = []
            start_s = seconds(lambda: others.extend(_start(client) for _ in range(KERNELS - 1)))
            many_s = _evaluate_s(client, first, ROUNDS)
            memory = {
                "daemon": memory_mb(daemon.pid, "VmRSS"),
                "keeper": memory_mb(keeper_pid(client), "VmRSS"),
            }
            _kill(daemon, others)
            one_s += _evaluate_s(client, first, ROUNDS // 2)
            daemon.dispose()
    yield Value(
        name=f"eval with {KERNELS} kernels up",
        ours=statistics.median(many_s) * 1e3,
        unit="ms",
        reference=statistics.median(one_s) * 1e3,
        of="with one",
        bound=1.1,
        note=f"started in {start_s:.1f} s",
    )
    for name, megabytes in memory.items():
        yield Value(name=f"{KERNELS} kernels, RSS of the {name}", ours=megabytes, unit="MB")


def _start(client: Client) -> str:
    runtime = client.call(RuntimeStart(kernel_name=fake_kernels.NAME))
    execution = client.call(ExecutionEval(code="1 + 1", runtime=runtime.id))
    assert execution.status == "done", execution
    return runtime.id


def _kill(daemon: Daemon, runtime_ids: list[str]) -> None:
    """Kill them, some at a time: what answers for each outlives it, which takes a second."""
    with daemon.state.connection() as connection:
        for start in range(0, len(runtime_ids), _KILLED_AT_ONCE):
            some = runtime_ids[start : start + _KILLED_AT_ONCE]
            calls = [("runtime.kill", {"runtime": runtime_id}) for runtime_id in some]
            for request_id in connection.send_many(calls):
                connection.result(request_id)


def _evaluate_s(client: Client, runtime_id: str, rounds: int) -> list[float]:
    evaluation = ExecutionEval(code="1 + 1", runtime=runtime_id)
    return [seconds(lambda: client.call(evaluation)) for _ in range(rounds)]
