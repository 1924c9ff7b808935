"""A kernel that our daemon holds, spoken to through its API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulid import ULID

from runtimed.client.connecting import CallFailed
from runtimed.wire import journal
from tests.kernels.client import Executed, Shown

if TYPE_CHECKING:
    from runtimed.client.lines import LineClient
    from tests.harness.daemon import Daemon

_FINAL = {"done": "ok", "error": "error", "interrupted": "error", "kernel_died": "died"}


class HeldClient:
    """An `Evaluator`: what the API has no message for is asked beside it."""

    def __init__(self, daemon: Daemon, runtime: str, settle: str | None) -> None:
        self._daemon = daemon
        self._runtime = runtime
        self._settle = settle

    def execute(self, code: str, answer: str | None = None) -> Executed:
        return self._run(code, answer, interrupts=False)

    def interrupt(self, code: str) -> Executed | None:
        executed = self._run(code, None, interrupts=True)
        return None if executed.status == "refused" else executed

    def shutdown(self) -> bool:
        self._daemon.call("runtime.stop", runtime=self._runtime, force=True)
        return self._journal_has("shutdown_reply")

    def was_welcomed(self) -> bool:
        return self._journal_has("iopub_welcome")

    def _journal_has(self, msg_type: str) -> bool:
        """Tell whether such a message came to the keeper: no API tells of it."""
        directory = Path(self._daemon.state.files.journal(self._runtime))
        records = (
            record
            for path in directory.glob(f"*{journal.SEGMENT_SUFFIX}")
            for record in journal.records(path.read_bytes(), 0)
        )
        return any(
            f'"{msg_type}"'.encode() in bytes(frame)
            for record in records
            if record.kind == journal.Kind.RECV
            for frame in record.frames
        )

    def _run(self, code: str, answer: str | None, *, interrupts: bool) -> Executed:
        """Submit code, with a subscription to all that comes of it."""
        execution = str(ULID())
        executed, settled = Executed(), Executed()
        requests = {execution: executed}
        with self._daemon.state.connection() as client:
            client.call("events.subscribe", {"runtime": self._runtime})
            self._submit(client, execution, code)
            for notification in client.notifications():
                event = notification["params"]
                _take(requests.get(event["execution"]), event["type"], event["data"])
                if event["type"] == "input":
                    answered = {"execution": execution, "value": answer}
                    client.call("execution.input", answered)
                if interrupts and "begun" in executed.stream("stdout"):
                    interrupts = False
                    if not self._interrupt(execution):
                        executed.status = "refused"
                        break
                if executed.status and self._settle is not None and len(requests) == 1:
                    after = str(ULID())
                    requests[after] = settled
                    self._submit(client, after, self._settle)
                if all(each.status for each in requests.values()):
                    break
            final = client.call("execution.get", {"execution": execution})
        executed.count = final["execution_count"]
        executed.begun = final["execution_started"] is not None
        return executed

    def _submit(self, client: LineClient, execution: str, code: str) -> None:
        submitted = {"id": execution, "runtime": self._runtime, "code": code}
        client.call("execution.submit", submitted)

    def _interrupt(self, execution: str) -> bool:
        """Tell whether it was not refused."""
        try:
            self._daemon.call("execution.interrupt", execution=execution)
        except CallFailed as failure:
            if failure.name != "CannotInterrupt":
                raise
            return False
        return True


def _take(executed: Executed | None, type_: str, data: dict[str, Any]) -> None:
    if executed is None:
        return
    match type_:
        case "input":
            executed.prompts.append(data["prompt"])
        case "output":
            executed.shown.append(_shown(data))
        case "execution" if "status" in data:
            if data["status"] == "running" and not executed.states:
                executed.states.append("busy")
            elif final := _FINAL.get(data["status"]):
                executed.states.append("idle")
                executed.status = final


def _shown(operation: dict[str, Any]) -> Shown:
    """Return an output operation as the Jupyter message that it was."""
    match operation["op"]:
        case "stream":
            return Shown("stream", operation)
        case "update":
            return Shown("update_display_data", operation)
        case "add":
            output = operation["output"]
            return Shown(output["output_type"], output)
        case other:
            return Shown(other, operation)
