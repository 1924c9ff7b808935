"""From which Python environment daemon and keeper run, and which one the service names."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from runt.doctor import remedies
from runt.doctor.finding import Finding
from runt.doctor.processes import keeper_pid
from runt.render import home

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runt.doctor.examination import Examination

_HEAD_BYTES = 4096
#: What pip writes where the path is too long for the system, or has a blank in it.
_BY_SHELL = re.compile(r"#!/bin/sh\n'''exec' \"?([^\"\n]+?)\"? \"\$0\"")
_DIRECTLY = re.compile(r"#![ \t]*(\S+)")


def origins(e: Examination) -> Iterator[Finding]:
    """Compare what runs to what the service would start: after an upgrade they may differ."""
    check, program = "origins", e.status.program
    if not e.status.installed or program is None:
        yield Finding(check, "ok", "no service is installed that names a program")
        return
    wanted = interpreter_of(program)
    if wanted is None:
        # That the program is not there is said elsewhere.
        yield Finding(check, "unknown", f"{home(program)} does not tell which Python it runs in")
        return
    sound = True
    for name, pid in (("daemon", e.daemon_pid), ("keeper", keeper_pid(e))):
        runs_in = interpreter(_argv(pid)) if pid else None
        if runs_in is None or is_same_environment(runs_in, wanted):
            continue
        sound = False
        yield Finding(
            check,
            "problem",
            f"the {name} (pid {pid}) runs from {home(os.path.dirname(runs_in))}, and the service "
            f"is to run from {home(os.path.dirname(wanted))}",
            remedies.RESTART,
            {"process": name, "pid": pid, "runs_in": runs_in, "wanted": wanted},
        )
    if sound:
        text = f"what runs is of {home(os.path.dirname(wanted))}, as the service names it"
        yield Finding(check, "ok", text)


def interpreter_of(program: str) -> str | None:
    """Return the Python that an installed program of ours names, None where it does not tell."""
    try:
        with open(program, "rb") as file:
            head = os.fsdecode(file.read(_HEAD_BYTES))
    except OSError:
        return None
    found = _BY_SHELL.match(head) or _DIRECTLY.match(head)
    return found[1] if found and "python" in os.path.basename(found[1]) else None


def interpreter(argv: Sequence[str]) -> str | None:
    """Return the Python of a process as it was called: an environment's link leads out of it."""
    is_python = bool(argv) and os.path.isabs(argv[0]) and "python" in os.path.basename(argv[0])
    return argv[0] if is_python else None


def is_same_environment(one: str, other: str) -> bool:
    """Return whether two interpreters are in the same directory, by whichever name."""
    return _directory(one) == _directory(other)


def _directory(interpreter: str) -> str:
    return os.path.realpath(os.path.dirname(interpreter))


def _argv(pid: int) -> list[str]:
    import psutil

    try:
        argv: list[str] = psutil.Process(pid).cmdline()
    except psutil.Error:
        return []
    return argv
