"""One display_data of 50 MB: peak memory of daemon and keeper, and who else has to wait.

Twice, each with a daemon of its own: as text, and as an image, whose base64 is decoded.
"""

from __future__ import annotations

import statistics
import threading
from typing import TYPE_CHECKING

from bench.harness import Value, client_of, keeper_pid, memory_mb, new_daemon, seconds
from runtimed.api.executions import ExecutionEval
from runtimed.api.runtimes import RuntimeList, RuntimeStart

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE_BYTES = 50_000_000
SETUP = "from IPython.display import display"
CODES = {
    "text": f"display({{'text/html': 'x' * {SIZE_BYTES}}}, raw=True)",
    "image": f"display({{'image/png': 'iVBO' * {SIZE_BYTES // 4}}}, raw=True)",
}


def measure() -> Iterator[Value]:
    for kind, code in CODES.items():
        yield from _measure(kind, code)


def _measure(kind: str, code: str) -> Iterator[Value]:
    with new_daemon() as daemon, client_of(daemon) as client, client_of(daemon) as other:
        runtime = client.call(RuntimeStart(kernel_name="python3"))
        client.call(ExecutionEval(code=SETUP, runtime=runtime.id))
        alone_s = [seconds(lambda: other.call(RuntimeList())) for _ in range(500)]
        worker = threading.Thread(
            target=lambda: client.call(ExecutionEval(code=code, runtime=runtime.id))
        )
        worker.start()
        meanwhile_s = []
        while worker.is_alive():
            meanwhile_s.append(seconds(lambda: other.call(RuntimeList())))
        worker.join()
        daemon_mb = memory_mb(daemon.pid, "VmHWM")
        keeper_mb = memory_mb(keeper_pid(client), "VmHWM")
    yield Value(name=f"50 MB {kind}, daemon's peak", ours=daemon_mb, unit="MB", bound=250)
    yield Value(name=f"50 MB {kind}, keeper's peak", ours=keeper_mb, unit="MB", bound=200)
    yield Value(
        name=f"50 MB {kind}, runtime.list p99",
        ours=_p99(meanwhile_s) * 1e3,
        unit="ms",
        bound=20,
        note=f"alone {_p99(alone_s) * 1e3:.2f} ms; slowest of {len(meanwhile_s)} calls "
        f"{max(meanwhile_s) * 1e3:.1f} ms",
    )


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]
