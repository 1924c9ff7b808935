"""What a kernel is started in: a scope of its own, and limits of its process."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtimed.host import ON_LINUX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What stands for the name of the unit in the words that start one.
UNIT = "{unit}"
#: How much earlier the system takes a kernel's memory back than ours (proc_pid_oom_score_adj(5)).
_OOM_SCORE = 200
_OOM_SCORE_MOST = 1000
#: systemd-run adds it to the environment of what it becomes; it names the scope and not a service.
_ADDED = "INVOCATION_ID"
_RUNTIME_DIR = "XDG_RUNTIME_DIR"


@dataclass(frozen=True, slots=True)
class Confinement:
    """How one kernel is confined.

    ``scope_argv`` is what starts a command in a scope (it becomes that command), with `UNIT` for
    the scope's name; empty for none. ``runtime_dir`` is where that finds the service manager: the
    kernel's own environment may name another place. The limits are the process's own
    (setrlimit(2)).
    """

    scope_argv: Sequence[str] = ()
    runtime_dir: str | None = None
    memory_bytes: int | None = None
    tasks: int | None = None

    def command(
        self, unit: str, argv: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """Return the argv and the environment that come to be these, in the scope."""
        if not self.scope_argv:
            return list(argv), dict(environment)
        around = dict(environment)
        wrapper = ["-u", _ADDED]
        if self.runtime_dir is not None and self.runtime_dir != environment.get(_RUNTIME_DIR):
            around[_RUNTIME_DIR] = self.runtime_dir
            own = environment.get(_RUNTIME_DIR)
            wrapper += ["-u", _RUNTIME_DIR] if own is None else [f"{_RUNTIME_DIR}={own}"]
        prefix = [unit if word == UNIT else word.replace(UNIT, unit) for word in self.scope_argv]
        import shutil  # 0.7 MB, which only some starts need

        env = shutil.which("env", path=os.defpath)
        # env(1) takes a program with such a name for a variable.
        inner = [env, *wrapper, *argv] if env and "=" not in argv[0] else list(argv)
        return [*prefix, *inner], around

    def apply(self, pid: int) -> None:
        """Set the limits of a process that has only just begun. Raises `OSError`."""
        if not ON_LINUX:
            return
        for kind, value in (
            (resource.RLIMIT_AS, self.memory_bytes),
            (resource.RLIMIT_NPROC, self.tasks),
        ):
            if value is not None:
                _, most = resource.prlimit(pid, kind)
                if most != resource.RLIM_INFINITY:
                    value = min(value, most)
                resource.prlimit(pid, kind, (value, value))


def prefer_for_oom(pid: int) -> None:
    """Have the system end this process before us when memory runs out; what it starts, too.

    To be called before it has children.
    """
    try:
        ours = int(Path("/proc/self/oom_score_adj").read_text("ascii"))
        score = min(ours + _OOM_SCORE, _OOM_SCORE_MOST)
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(score), "ascii")
    except OSError:
        pass  # it has gone already, or there is no such file here


UNCONFINED = Confinement()
