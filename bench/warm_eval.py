"""Warm ``1 + 1`` through the socket, durably recorded ÷ raw ZeroMQ to the same kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.harness import Value, client_of, new_daemon, side_by_side
from bench.raw import RawKernel
from runtimed.api.executions import ExecutionEval
from runtimed.api.runtimes import RuntimeStart

if TYPE_CHECKING:
    from collections.abc import Iterator

WARM_UP_ROUNDS = 20
ROUNDS = 300


def measure() -> Iterator[Value]:
    with new_daemon() as daemon, client_of(daemon) as client:
        runtime = client.call(RuntimeStart(kernel_name="python3"))
        evaluation = ExecutionEval(code="1 + 1", runtime=runtime.id)
        raw = RawKernel(runtime.connection_file)

        def theirs() -> None:
            raw.run("1 + 1")

        def ours() -> None:
            client.call(evaluation)

        side_by_side(ours, theirs, WARM_UP_ROUNDS)
        a_s, b_s = side_by_side(ours, theirs, ROUNDS)
        raw.close()
    yield Value(
        name="warm 1 + 1, blocking client",
        ours=a_s * 1e3,
        unit="ms",
        reference=b_s * 1e3,
        of="raw ZeroMQ",
        bound=1.15,
    )
