"""What daemon and keeper use while nothing is asked of them; one kernel was started and used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from bench.harness import Value, client_of, keeper_pid, memory_mb, new_daemon
from runtimed.api.executions import ExecutionEval
from runtimed.api.runtimes import RuntimeStart

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE_S = 10.0
#: What a start leaves to be done is not idleness.
SETTLE_S = 3.0


def measure() -> Iterator[Value]:
    with new_daemon() as daemon:
        with client_of(daemon) as client:
            runtime = client.call(RuntimeStart(kernel_name="python3"))
            client.call(ExecutionEval(code="1 + 1", runtime=runtime.id))
            keeper = keeper_pid(client)
        time.sleep(SETTLE_S)
        pids = {"daemon": daemon.pid, "keeper": keeper}
        before = {name: _cpu_s(pid) for name, pid in pids.items()}
        time.sleep(IDLE_S)
        cpu = {name: (_cpu_s(pid) - before[name]) / IDLE_S * 100 for name, pid in pids.items()}
        rss = {name: memory_mb(pid, "VmRSS") for name, pid in pids.items()}
    for name, bound in (("daemon", 45), ("keeper", 25)):
        yield Value(name=f"idle RSS, {name}", ours=rss[name], unit="MB", bound=bound)
        yield Value(name=f"idle CPU, {name}", ours=cpu[name], unit="%", note="bound: about 0")


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
