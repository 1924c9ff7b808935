"""What daemon and keeper say about themselves: to the journal, to a rotated file, or to stderr.

``log`` decides where; ``journald``, ``files`` and ``streams`` are the places; ``handler`` joins
`logging` to it, in the daemon only: the keeper does without. Standard library only.

An entry concerns a runtime, an execution, or none; its text says what happened. Code, outputs,
keys and the values of environment variables are never in it.
"""

from __future__ import annotations


def about(runtime: str | None = None, execution: str | None = None) -> dict[str, str]:
    """Return the ``extra=`` of a `logging` call that concerns a runtime, or an execution."""
    fields = {"runtime": runtime, "execution": execution}
    return {name: id for name, id in fields.items() if id is not None}
