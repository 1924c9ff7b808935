"""Why a kernel ended, in words."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

from runtimed.kernels import launch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.paths import State
    from runtimed.store.runtimes import RuntimeRow

#: How much of a kernel's stderr is looked at, and how much of that is kept.
_READ_BYTES = 64 * 1024
_KEPT_LINES = 20
_KEPT_CHARS = 4096
_LINE_CHARS = 300
_TOLD_LINES = 3
#: What faulthandler and ipykernel with it write first; stacks of all threads follow.
_FATAL = "Fatal Python error:"
_LINES_BEFORE_FATAL = 5
#: A line that says what went wrong, among others that only came last.
_TELLS = re.compile(r"error|fatal|abort|exception|terminate|fault|panic|killed|what\(\)", re.I)
#: ipykernel's traceback about a message that it had before: it went on, and died of another thing.
_REPLAY = re.compile(
    r"^(?:\[\w+\] ERROR \| Invalid \w*\s?Message\n)?Traceback \(most recent call last\):\n"
    r"(?:[ \t].*\n)*ValueError: Duplicate Signature: .*\n?",
    re.MULTILINE,
)
_LAST_WORDS = "; its last words: "
_STACK = re.compile(r'^(File "|Current thread|Thread 0x|Extension modules:|<)')


def exit_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a process ended, as the keeper's event tells it."""
    exit_ = {name: event.get(name) for name in ("code", "signal", "reason")}
    return {**exit_, "reason": "oom"} if event.get("oom") else exit_


def describe_exit(exit_: dict[str, Any]) -> str:
    """Say in words how a kernel's process ended."""
    if exit_.get("reason") == "oom":
        return "the kernel was killed by the system, which had run out of memory"
    if exit_.get("reason") == "idle":
        return "it was stopped, as it had been idle for so long as it may"
    if exit_.get("reason") == "shutdown_request":
        return "the kernel was asked to shut down, and did"
    if (number := exit_.get("signal")) is not None:
        # Real-time signals have no names of their own.
        names = {int(known): known.name for known in signal.Signals}
        return f"the kernel was ended by {names.get(number, f'signal {number}')}"
    if exit_.get("code") is not None:
        return f"the kernel exited with status {exit_['code']}"
    return "the kernel ended; how is not known"


def describe_end(exit_: dict[str, Any]) -> str:
    """Say how a kernel's process ended, with its last words where they tell why."""
    lines = [line.strip() for line in exit_.get("stderr", ())]
    told = [line for line in lines if _TELLS.search(line) and not _STACK.match(line)]
    words = "; ".join(told[-_TOLD_LINES:])[:_LINE_CHARS]
    return describe_exit(exit_) + (f"{_LAST_WORDS}{words}" if words else "")


def without_last_words(reason: str) -> str:
    """Return what a log may have of a reason: a kernel's own words are not for it."""
    return reason.partition(_LAST_WORDS)[0]


def last_words(row: RuntimeRow, state: State) -> list[str]:
    """Return the last lines that a kernel of ours wrote to stderr: few, and bounded."""
    if row.origin != "launched":
        return []
    return telling_lines(launch.stderr_tail(launch.stderr_path(state, row.id), _READ_BYTES))


def last_line(text: str) -> str:
    """Return the last line of a text that says something; empty without one."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def telling_lines(text: str) -> list[str]:
    """Return the last lines of a text; of a crash report its beginning, which says what it was."""
    text = _REPLAY.sub("", text)
    lines = [line[:_LINE_CHARS].rstrip() for line in text.splitlines() if line.strip()]
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].startswith(_FATAL):
            return _within_bounds(lines[max(0, number - _LINES_BEFORE_FATAL) :])
    return _within_bounds(lines[::-1])[::-1]


def _within_bounds(lines: list[str]) -> list[str]:
    kept: list[str] = []
    for line in lines[:_KEPT_LINES]:
        if sum(map(len, kept)) + len(line) > _KEPT_CHARS:
            break
        kept.append(line)
    return kept
