"""Control groups: which one a process is in, and the one that a kernel has to itself.

https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

#: Where it is not a hierarchy of systemd's, a process's path there says nothing about its unit.
_SYSTEMD_V1 = "name=systemd"
_DELETED = " (deleted)"
#: What forks while it is signalled is looked for again so many times.
_PASSES = 16


def kernel_unit(runtime_id: str, incarnation: int) -> str:
    """Return the name of the scope that one incarnation of a runtime's kernel has to itself."""
    return f"runtimed-kernel-{runtime_id[-8:].lower()}-{incarnation}.scope"


def _paths_of(pid: int) -> dict[str, str]:
    """Return a process's group by hierarchy: ``""`` is cgroup v2; empty if there is none.

    A process that has exited and was not waited for is in its group still.
    """
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text("utf-8", "surrogateescape")
    except OSError:
        return {}
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", _SYSTEMD_V1):
            found[controllers] = path.removesuffix(_DELETED)
    return found


def user_service_of(pid: int) -> str | None:
    """Return the name of the user manager's service that a process is in, None if it is in none."""
    for path in _paths_of(pid).values():
        above, unit = os.path.split(path)
        if unit.endswith(".service") and "/user@" in above:
            return unit
    return None


@dataclass(frozen=True, slots=True)
class KernelScope:
    """The scope of one kernel. ``directory`` is its group's, None where that is out of sight."""

    unit: str
    directory: str | None

    def pids(self) -> list[int]:
        """Return the processes in the group and in those below it."""
        found: list[int] = []
        if self.directory is not None:
            for directory, _, _ in os.walk(self.directory):
                with contextlib.suppress(OSError):
                    found += map(int, Path(directory, "cgroup.procs").read_text("ascii").split())
        return found

    def signal(self, signum: int) -> bool:
        """Signal all that is in the group, and nothing else; return whether there was anything."""
        if signum == signal.SIGKILL and self._kill():
            return True
        done: set[int] = set()
        for _ in range(_PASSES):
            new = [pid for pid in self.pids() if pid not in done]
            if not new:
                break
            for pid in new:
                self._signal_member(pid, signum)
            done.update(new)
        return bool(done)

    def _kill(self) -> bool:
        """Kill the whole group at once, where the system can (Linux 5.14)."""
        if self.directory is None or not self.pids():
            return False
        try:
            fd = os.open(os.path.join(self.directory, "cgroup.kill"), os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            os.write(fd, b"1")
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def _signal_member(self, pid: int, signum: int) -> None:
        """Signal a process, unless the pid is another's by now that is not in the group."""
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return
        try:
            if self.unit in map(os.path.basename, _ancestry(pid)):
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(fd, signum)
        finally:
            os.close(fd)

    def value(self, name: str) -> str | None:
        """Return what a file of the group says, None where there is no such file."""
        if self.directory is None:
            return None
        try:
            return Path(self.directory, name).read_text("ascii").strip()
        except OSError:
            return None


def _ancestry(pid: int) -> list[str]:
    """Return the groups that a process is in, and all above them."""
    found: list[str] = []
    for path in _paths_of(pid).values():
        while path not in ("", "/"):
            found.append(path)
            path = os.path.dirname(path)
    return found


def kernel_scope(pid: int, runtime_id: str) -> KernelScope | None:
    """Return the scope of this runtime's that a process is in, None if it is in none.

    A kernel without one may be in the scope of another, whose code has started all of us.
    """
    beginning = kernel_unit(runtime_id, 0).removesuffix("0.scope")
    for kind, path in _paths_of(pid).items():
        unit = os.path.basename(path)
        number = unit.removeprefix(beginning).removesuffix(".scope")
        if unit == f"{beginning}{number}.scope" and number.isdecimal():
            return KernelScope(unit, _directory(kind, path))
    return None


def _directory(kind: str, path: str) -> str | None:
    """Return where a group is to be seen (proc_pid_mountinfo(5))."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        before, _, after = line.partition(" - ")
        root, mount_point = before.split()[3:5]
        type_, _, options = after.split()[:3]
        is_meant = type_ == "cgroup2" if not kind else _SYSTEMD_V1 in options.split(",")
        if not is_meant or not _is_below(path, root):
            continue
        directory = os.path.join(mount_point, os.path.relpath(path, root))
        if os.path.isdir(directory):
            return directory
    return None


def _is_below(path: str, root: str) -> bool:
    return ".." not in path.split("/") and (root == "/" or path.startswith(root + "/"))
