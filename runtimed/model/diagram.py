"""The states of an execution as a diagram, found by trying every stimulus on every progress.

``python -m runtimed.model.diagram`` prints it; docs/explanation/executions.md holds it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from runtimed.api.types import FINAL
from runtimed.model.execution import Progress, Stimulus, advance

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What REPLIED may bring: the reply's status and the error's name.
REPLIES = (("ok", None), ("error", "E"), ("error", "KeyboardInterrupt"), ("aborted", None))
#: As far as attempts and inputs are followed: beyond it nothing new happens.
MOST = 2

Edge = tuple[str, str, str]


def stimuli() -> Iterator[tuple[Stimulus, str | None, str | None, bool]]:
    """Yield every stimulus with every kind of detail, error name and carry_over."""
    for stimulus in Stimulus:
        match stimulus:
            case Stimulus.REPLIED:
                yield from ((stimulus, reply, ename, False) for reply, ename in REPLIES)
            case Stimulus.ERROR_SHOWN:
                yield from ((stimulus, None, ename, False) for ename in ("E", "KeyboardInterrupt"))
            case Stimulus.KERNEL_ENDED:
                yield from ((stimulus, "it ended", None, carry) for carry in (False, True))
            case _:
                yield stimulus, "a reason", None, False


def reachable() -> dict[Progress, list[tuple[Stimulus, Progress]]]:
    """Return every progress that can come about, with what each stimulus makes of it."""
    found: dict[Progress, list[tuple[Stimulus, Progress]]] = {}
    waiting = [Progress()]
    while waiting:
        before = waiting.pop()
        if before in found:
            continue
        found[before] = []
        for stimulus, detail, ename, carry_over in stimuli():
            after = advance(before, stimulus, detail=detail, ename=ename, carry_over=carry_over)
            found[before].append((stimulus, after))
            if after.attempt <= MOST and after.inputs <= MOST:
                waiting.append(after)
    return found


def edges() -> list[Edge]:
    """Return (from, to, stimulus) wherever a stimulus may change the status."""
    return sorted(
        {
            (before.status, after.status, str(stimulus))
            for before, outcomes in reachable().items()
            for stimulus, after in outcomes
            if before.status != after.status
        }
    )


def mermaid() -> str:
    """Return the diagram (https://mermaid.js.org/syntax/stateDiagram.html)."""
    labels: dict[tuple[str, str], list[str]] = {}
    for before, after, stimulus in edges():
        labels.setdefault((before, after), []).append(stimulus)
    lines = ["stateDiagram-v2", "    [*] --> queued"]
    lines += [f"    {a} --> {b}: {', '.join(names)}" for (a, b), names in labels.items()]
    lines += [f"    {status} --> [*]" for status in sorted(FINAL)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(mermaid())
