"""The median evaluation on one kernel while 300 are up ÷ before and after, when it is alone."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench import fake_kernels
from bench.harness import Value, client_of, keeper_pid, memory_mb, new_daemon, seconds
from runtimed.api.executions import ExecutionEval
from runtimed.api.runtimes import RuntimeKill, RuntimeStart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.client.blocking import Client

KERNELS = 300
WARM_UP_ROUNDS = 50
ROUNDS = 500


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
            for other in others:
                client.call(RuntimeKill(runtime=other))
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
    runtime = client.call(RuntimeStart(kernel=fake_kernels.NAME))
    execution = client.call(ExecutionEval(code="1 + 1", runtime=runtime.id))
    assert execution.status == "done", execution
    return runtime.id


def _evaluate_s(client: Client, runtime_id: str, rounds: int) -> list[float]:
    evaluation = ExecutionEval(code="1 + 1", runtime=runtime_id)
    return [seconds(lambda: client.call(evaluation)) for _ in range(rounds)]
