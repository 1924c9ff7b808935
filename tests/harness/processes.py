"""Which processes a test has left, found by the state directory that is in their environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable


def processes_of(state_dir: str) -> list[psutil.Process]:
    """Return the living processes that were started with this state directory, but for us."""
    ours = psutil.Process().pid
    return [
        process
        for process in psutil.process_iter()
        if process.pid != ours and _belongs(process, state_dir)
    ]


def _belongs(process: psutil.Process, state_dir: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if any(state_dir in word for word in process.cmdline()):
            return True
        return bool(process.environ().get("RUNTIMED_STATE_DIR") == state_dir)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def end(processes: Iterable[psutil.Process], timeout_s: float = 10.0) -> None:
    """Kill these processes, and wait until they are gone."""
    doomed = list(processes)
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(doomed, timeout=timeout_s)


def left_after(state_dir: str, timeout_s: float = 10.0) -> list[str]:
    """Wait until nothing of this state directory lives; kill and describe what outlasts that."""
    left = processes_of(state_dir)
    _, alive = psutil.wait_procs(left, timeout=timeout_s)
    descriptions = [_describe(process) for process in alive]
    end(alive)
    return descriptions


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())}"
    except psutil.NoSuchProcess:
        return f"{process.pid} (just gone)"
