"""Have a keeper start a successor and leave: the program is named to it, and it answers why not."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING

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


class KeeperStays(ServiceFailure):
    """The keeper goes on as before, and so do its kernels."""

    def __init__(self, pid: int, reason: str) -> None:
        super().__init__(f"the keeper stays what it was (pid {pid}): {reason}")


def hand_over(
    instance: Instance, pid: int, command: Sequence[str], ask: Callable[[], None]
) -> None:
    """Have the keeper start ``command`` as its successor; return when it has left.

    ``ask`` sends it SIGHUP. Left to itself it would start its own interpreter again, which an
    upgrade into another environment has left behind. Raises `KeeperStays`.
    """
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
                raise KeeperStays(pid, f"no answer in {HANDOVER_S:.0f} s")
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _refusal(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            answer: dict[str, str] = json.load(file)
    except (OSError, ValueError):
        return None
    return answer.get("refused")
