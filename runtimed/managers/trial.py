"""Try a program before it takes the place of one that works."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from runtimed.managers.failures import Unfit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: It loads its modules and its settings, from a disk that may be slow.
PATIENCE_S = 60.0


def try_out(command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Have the program say whether it could start, in the environment that it would get.

    Raises `Unfit` with its reason.
    """
    try:
        asked = subprocess.run(
            [*command, "--check"],
            env=dict(environ),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except OSError as error:
        raise Unfit(1, f"{command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Unfit(1, f"`{' '.join(command)} --check` did not end in {PATIENCE_S:.0f} s") from None
    if asked.returncode:
        # Of a traceback, the exception.
        said = asked.stderr.strip().splitlines() or [f"exit status {asked.returncode}"]
        reason = said[-1].removeprefix("runtimed: ")
        raise Unfit(asked.returncode, f"{command[0]} could not start: {reason}")
