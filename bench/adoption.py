"""What adopted kernels cost that do nothing, and how soon a new one is in the list."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING

import psutil

from bench.harness import Value, client_of, keeper_pid, memory_mb, new_daemon
from runtimed.api.runtimes import RuntimeList
from runtimed.kernels.launch import tcp_address, write_connection_file
from tests.harness import fake_kernels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtimed.client.blocking import Client
    from tests.harness.fake_kernels import FakeKernels

KERNELS = 50
IDLE_S = 30.0
SETTLE_S = 8.0
_LOOK_S = 0.002


def measure() -> Iterator[Value]:
    with new_daemon() as daemon, client_of(daemon) as client:
        state = daemon.state
        zygote = state.root / "z"
        directory = state.root / "jr"
        directory.mkdir(mode=0o700, exist_ok=True)
        with fake_kernels.serving(state.home / ".local/share/jupyter", zygote) as fakes:
            found_s = [_appears_s(client, directory, fakes, number) for number in range(5)]
            pids = {"daemon": daemon.pid, "keeper": keeper_pid(client)}
            time.sleep(SETTLE_S)
            before_mb = {name: memory_mb(pid, "VmRSS") for name, pid in pids.items()}
            for number in range(5, 5 + KERNELS):
                _appears_s(client, directory, fakes, number)
            time.sleep(SETTLE_S)
            cpu = {name: _cpu_s(pid) for name, pid in pids.items()}
            time.sleep(IDLE_S)
            cpu = {name: (_cpu_s(pid) - cpu[name]) / IDLE_S * 100 for name, pid in pids.items()}
            mb = {n: (memory_mb(p, "VmRSS") - before_mb[n]) / KERNELS for n, p in pids.items()}
    yield Value(
        name="a new connection file is listed as alive",
        ours=statistics.median(found_s) * 1e3,
        unit="ms",
        bound=500,
    )
    for name in pids:
        yield Value(name=f"each adopted idle kernel, RSS of the {name}", ours=mb[name], unit="MB")
    yield Value(name="each adopted idle kernel, both", ours=sum(mb.values()), unit="MB", bound=0.3)
    yield Value(
        name=f"CPU of both with {KERNELS + 5} adopted idle kernels",
        ours=sum(cpu.values()),
        unit="%",
        bound=0.5,
        note=", ".join(f"{name} {value:.2f}" for name, value in cpu.items()),
    )


def _appears_s(client: Client, directory: Path, fakes: FakeKernels, number: int) -> float:
    """Start a kernel beside us, write its connection file, and return how long until it is seen."""
    file = directory / f"kernel-{number}.json"
    hidden = directory / f".{number}"
    write_connection_file(str(hidden), tcp_address(fake_kernels.NAME))
    fakes.start(hidden)
    begin = time.perf_counter()
    os.rename(hidden, file)
    while not any(
        runtime.connection_file == str(file) and runtime.status == "alive"
        for runtime in client.call(RuntimeList())
    ):
        time.sleep(_LOOK_S)
    return time.perf_counter() - begin


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
