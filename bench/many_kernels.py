"""The median evaluation on one kernel while 300 are up ÷ the same while it is the only one."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench import fake_kernels
from bench.harness import Value, client_of, keeper_pid, memory_mb, new_daemon, seconds
from runtimed.api.executions import ExecutionEval
from runtimed.api.runtimes import RuntimeStart

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
            _median_s(client, first, WARM_UP_ROUNDS)
            one_s = _median_s(client, first, ROUNDS)
            starts_s = seconds(lambda: [_start(client) for _ in range(KERNELS - 1)])
            many_s = _median_s(client, first, ROUNDS)
            memory = {
                "daemon": memory_mb(daemon.pid, "VmRSS"),
                "keeper": memory_mb(keeper_pid(client), "VmRSS"),
            }
            daemon.dispose()
    yield Value(
        name=f"eval with {KERNELS} kernels up",
        ours=many_s * 1e3,
        unit="ms",
        reference=one_s * 1e3,
        of="with one",
        bound=1.1,
        note=f"started in {starts_s:.1f} s",
    )
    for name, megabytes in memory.items():
        yield Value(name=f"{KERNELS} kernels, RSS of the {name}", ours=megabytes, unit="MB")


def _start(client: Client) -> str:
    runtime = client.call(RuntimeStart(kernel=fake_kernels.NAME))
    execution = client.call(ExecutionEval(code="1 + 1", runtime=runtime.id))
    assert execution.status == "done", execution
    return runtime.id


def _median_s(client: Client, runtime_id: str, rounds: int) -> float:
    evaluation = ExecutionEval(code="1 + 1", runtime=runtime_id)
    return statistics.median(seconds(lambda: client.call(evaluation)) for _ in range(rounds))
