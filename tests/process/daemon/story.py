"""What tests of the daemon tell each other: code that leaves a trace, and waiting for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.daemon import Daemon

WAIT_S = 60.0


def note(truth: Path, word: str) -> str:
    """Return code that appends a word to the file of truth."""
    return f"open({str(truth)!r}, 'a').write({word!r} + '\\n')"


def words(truth: Path) -> list[str]:
    """Return what the kernel has written."""
    return truth.read_text().split() if truth.exists() else []


def wait_for(truth: Path, word: str) -> None:
    """Wait until the kernel has written the word."""
    deadline = time.monotonic() + WAIT_S
    while word not in words(truth):
        assert time.monotonic() < deadline, f"{word} never came: {words(truth)}"
        time.sleep(0.01)


def final(daemon: Daemon, execution: str) -> Any:
    """Wait until the execution is final, and return it with its outputs."""
    found = daemon.call("execution.wait", execution=execution, wait_s=WAIT_S)
    assert found["execution_end"], found
    return found


def wait_for_status(daemon: Daemon, execution: str, status: str) -> Any:
    """Wait until the execution has the status, by its events."""
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"execution": execution, "types": ["execution"]})
        found = client.call("execution.get", {"execution": execution})
        if found["status"] == status:
            return found
        for notification in client.notifications():
            if notification["params"]["data"].get("status") == status:
                return client.call("execution.get", {"execution": execution})
    raise AssertionError(f"{execution} was never {status}")


def text(execution: Any) -> str:
    """Return the execution's streams, as one text."""
    return "".join(output.get("text", "") for output in execution["outputs"])


def files_that_name(directory: Path, secret: str) -> list[Path]:
    """Return the files anywhere below that contain the text, in any usual spelling."""
    needles = [secret.encode(), secret.encode("utf-16-le"), secret[::-1].encode()]
    return [
        path
        for path in directory.rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]


def wait_for_output(daemon: Daemon, execution: str, wanted: str) -> None:
    """Wait until the execution has put out this text, in one piece.

    Before that an interrupt may come too early: a kernel can be busy with a request, and not at
    its code yet.
    """
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"execution": execution, "since": "start"})
        for notification in client.notifications():
            if wanted in notification["params"]["data"].get("text", ""):
                return
