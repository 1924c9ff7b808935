"""Have a keeper start a successor and leave: the program is named to it, and it answers why not.

One that does not even answer is replaced: its kernels outlive it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING

from runtimed.host import process_state
from runtimed.managers import keepers
from runtimed.managers.failures import ServiceFailure
from runtimed.managers.waiting import wait_for_exit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtimed.managers.instance import Instance

#: How long a keeper may take to hand over before it is taken to have stayed; it gives up itself
#: after 10 s.
HANDOVER_S = 15.0
#: How often to look for its answer; its end is noticed at once.
_LOOK_S = 0.05
#: How long a process may take to go once it was killed.
_KILL_S = 5.0


class KeeperStays(ServiceFailure):
    """The keeper goes on as before, and so do its kernels."""

    def __init__(self, pid: int, reason: str) -> None:
        super().__init__(f"the keeper stays what it was (pid {pid}): {reason}")


def hand_over(instance: Instance, pid: int, command: Sequence[str], ask: Callable[[], None]) -> str:
    """Have the keeper start ``command`` as its successor; return, when it has left, what it did.

    ``ask`` sends it SIGHUP. Left to itself it would start its own interpreter again, which an
    upgrade into another environment has left behind. Raises `KeeperStays`.
    """
    if _hangs(instance, pid):
        return _kill(pid)
    path = instance.state.keeper_successor
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"command": list(command)}, file)
    except OSError as error:
        raise KeeperStays(pid, str(error)) from None
    deadline = time.monotonic() + HANDOVER_S
    try:
        ask()
        while not wait_for_exit(pid, _LOOK_S):
            if reason := _refusal(path):
                raise KeeperStays(pid, reason)
            if time.monotonic() > deadline:
                if keepers.hangs(instance.state):
                    return _kill(pid)
                raise KeeperStays(pid, f"no answer in {HANDOVER_S:.0f} s")
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    return "handed its kernels over"


def _hangs(instance: Instance, pid: int) -> bool:
    """Return whether the keeper answers to nobody. One that somebody has stopped goes on first."""
    if process_state(pid) == "T":
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    return keepers.hangs(instance.state)


def _kill(pid: int) -> str:
    """End a keeper that nothing can be had from; whoever misses it starts another."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    if not wait_for_exit(pid, _KILL_S):
        raise KeeperStays(pid, "it does not answer, and cannot be killed")
    return "did not answer and was killed; its kernels live on"


def _refusal(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            answer: dict[str, str] = json.load(file)
    except (OSError, ValueError):
        return None
    return answer.get("refused")
