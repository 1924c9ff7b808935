"""Programs: the manager's own, run to their end, and the path under which ours stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from runtimed.managers.failures import ServiceFailure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: A start job waits for READY=1, a stop job for the process: systemd's own limits are 90 s.
PATIENCE_S = 120


def run(
    argv: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a manager's program to its end, whatever its exit status.

    Raises `ServiceFailure` if it is not there, or does not end.
    """
    try:
        return subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, **(env or {}), "LC_ALL": "C"},
        )
    except OSError as error:
        raise ServiceFailure(f"{argv[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ServiceFailure(f"`{' '.join(argv)}` did not end in {PATIENCE_S} s") from None


def said(run: subprocess.CompletedProcess[str]) -> str:
    """Return what it complained of, in one line."""
    text = run.stderr.strip() or run.stdout.strip()
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def runtimed_program(executable: str | None = None) -> str:
    """Return the path of our ``runtimed``, as `program` does."""
    return program("runtimed", executable)


def program(name: str, executable: str | None = None) -> str:
    """Return the path of a program of ours: one that an upgrade of the package leaves in place.

    It is beside the interpreter, whose path is not resolved: the target of an environment's link
    may have a version in it. A link elsewhere that leads to it (pipx, uv and Homebrew make one)
    outlives even the environment. Raises `ServiceFailure` where there is none.
    """
    executable = executable or sys.executable
    beside = os.path.join(os.path.dirname(executable), name)
    if not os.access(beside, os.X_OK):
        raise ServiceFailure(
            f"there is no program {beside}; install the package with its programs "
            "(`pipx install runtimed-daemon`, or `pip install` in an environment)"
        )
    ours = os.path.realpath(beside)
    for link in (shutil.which(name), os.path.expanduser(f"~/.local/bin/{name}")):
        if link and os.path.isabs(link) and os.path.islink(link) and link != beside:
            if os.path.realpath(link) == ours:
                return link
    return beside
