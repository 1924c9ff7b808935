"""What a scripted service (fake_daemon) does once it has accepted code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.harness.fake_daemon import Connection

if TYPE_CHECKING:
    import threading

Script = Callable[[Connection], None]


def running(*script: Script) -> Callable[[Connection, dict[str, Any]], Any]:
    """An answer to execution.submit: accepted, then these events."""

    def submit(connection: Connection, params: dict[str, Any]) -> Any:
        def play() -> None:
            connection.event("execution", {"status": "running"}, runtime="R")
            for step in script:
                step(connection)

        return {"id": params["id"], "status": "queued"}, play

    return submit


def out(text: str, name: str = "stdout") -> Script:
    return lambda c: c.event("output", {"op": "stream", "name": name, "text": text})


def add(**output: Any) -> Script:
    return lambda c: c.event("output", {"op": "add", "output": output})


def value(text: str, **data: Any) -> Script:
    return add(output_type="execute_result", data={"text/plain": text, **data}, metadata={})


def end(status: str = "done", **fields: Any) -> Script:
    return lambda c: c.event("execution", {"status": status, **fields}, runtime="R")


def wait_for(event: threading.Event) -> None:
    assert event.wait(20)


def raised(ename: str, evalue: str = "") -> Script:
    return add(
        output_type="error",
        ename=ename,
        evalue=evalue,
        traceback=[f"\x1b[0;31m{ename}\x1b[0m: {evalue}"],
    )
