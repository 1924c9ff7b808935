"""Waiting for what an adopted runtime is to become."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.process.daemon.story import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.daemon import Daemon


def until(look: Callable[[], Any], what: str = "it") -> Any:
    """Look until there is something to be seen, and return that."""
    deadline = time.monotonic() + WAIT_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.02)
    return found


def adopted(daemon: Daemon, file: Path, status: str = "alive", **facts: Any) -> Any:
    """Wait until the kernel of this connection file has this status, and return its runtime."""
    wanted = {"status": status, **facts}

    def look() -> Any:
        for runtime in daemon.call("runtime.list", all=True):
            if runtime["connection_file"] == str(file) and wanted.items() <= runtime.items():
                return runtime
        return None

    return until(look, f"{file.name} as {wanted}: {daemon.call('runtime.list', all=True)}")


def execution(daemon: Daemon, runtime: Any, code: str, *statuses: str) -> Any:
    """Wait until an execution of this code is on the record of the runtime, and return it."""

    def look() -> Any:
        for found in daemon.call("execution.list", runtime=runtime["id"]):
            if found["code"] == code and (not statuses or found["status"] in statuses):
                return daemon.call("execution.get", execution=found["id"])
        return None

    return until(look, f"{code!r}: {daemon.call('execution.list', runtime=runtime['id'])}")
