"""What there is of a run: the executions that it queued, and the kernels that it started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runt import session
from runt.notebook_run import plan
from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Executions:
    """Executions of a run's notebook, without outputs: the run's own, and whether there are others.

    A notebook that is open may be worked on by anybody, in any kernel.
    """

    def __init__(self, run: Mapping[str, Any], ids: Iterable[str]) -> None:
        found = [
            session.call_again("execution.get", {"execution": id, "outputs": False}) for id in ids
        ]
        self.own: list[dict[str, Any]] = [each for each in found if belongs(run, each)]
        self.has_others = len(self.own) < len(found)

    def stop_kernels(self) -> None:
        """Stop what the run's cells ran in: a run has its kernel to itself."""
        for id in dict.fromkeys(each["runtime"]["id"] for each in self.own):
            stop(id)


def of_cells(notebook: Mapping[str, Any]) -> Executions:
    """Return the latest executions of a run's cells."""
    run = plan.run_of(notebook) or {}
    cells: Sequence[Any] = notebook["cells"]
    return Executions(run, (cell["execution"]["id"] for cell in cells if cell["execution"]))


def group(run: Mapping[str, Any], after: str | None) -> str:
    """Return the group of what a run queues next; whoever sees the same state names the same."""
    return f"{run['id']}.{after or 'first'}"


def belongs(run: Mapping[str, Any], execution: Mapping[str, Any]) -> bool:
    """Say whether an execution was queued by the run."""
    return (execution["group"] or "").startswith(f"{run['id']}.")


def is_worked_on(notebook: Mapping[str, Any], executions: Executions) -> bool:
    """Say whether somebody else has run a cell of the notebook, or changed its cells."""
    run = plan.run_of(notebook) or {}
    is_edited = run.get("cells") not in (None, plan.digest(notebook["cells"]))
    return executions.has_others or is_edited


def runtime(id: str) -> dict[str, Any] | None:
    """Return a runtime; None where it was removed."""
    try:
        found: dict[str, Any] = session.call_again("runtime.get", {"runtime": id})
    except CallFailed as failure:
        if failure.name != "RuntimeNotFound":
            raise
        return None
    return found


def stop(id: str) -> None:
    """Stop a kernel that is alive."""
    found = runtime(id)
    if found is not None and found["status"] != "dead":
        session.call("runtime.stop", {"runtime": id})
