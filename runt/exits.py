"""Exit codes of ``runt``, in one place. Failed calls bring their own (``error.data.exit_code``)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OK = 0
CODE_RAISED = 1
USAGE = 2
NOT_FOUND = 3
CONFLICT = 4
UNREACHABLE = 5
DENIED = 7
KERNEL_DIED = 8
INTERNAL = 70
WAIT_EXPIRED = 124
INTERRUPTED = 130
STDOUT_CLOSED = 141

#: What a final status means to a shell. These are the final statuses, all of them.
BY_STATUS = {
    "done": OK,
    "error": CODE_RAISED,
    "interrupted": INTERRUPTED,
    "cancelled": CODE_RAISED,
    "lost": CODE_RAISED,
    "kernel_died": KERNEL_DIED,
}


def of_execution(status: str, ename: str | None = None, evalue: str | None = None) -> int:
    """Return the exit code for a final status; ``sys.exit()`` and ``sys.exit(0)`` are no error."""
    if status == "error" and ename == "SystemExit" and evalue in (None, "", "0", "None"):
        return OK
    return BY_STATUS[status]


def of_document(execution: dict[str, Any]) -> int:
    """Return the exit code for an execution's document."""
    if execution["status"] not in BY_STATUS:
        return WAIT_EXPIRED
    errors = [o for o in execution.get("outputs") or () if o["output_type"] == "error"]
    last = errors[-1] if errors else {}
    return of_execution(execution["status"], last.get("ename"), last.get("evalue"))


def of_signal(number: int) -> int:
    """Return the exit code of a process that a signal ended, as shells count."""
    return 128 + number
