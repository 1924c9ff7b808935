"""Kernel processes: start them, signal them, see them exit."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from runtimed.cgroups import kernel_scope
from runtimed.host import ON_LINUX
from runtimed.keeper.confinement import UNCONFINED, prefer_for_oom
from runtimed.keeper.identity import family

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtimed.cgroups import KernelScope
    from runtimed.keeper.confinement import Confinement
    from runtimed.keeper.identity import Identity
    from runtimed.keeper.loop import Loop

_soft_nofile, _hard_nofile = resource.getrlimit(resource.RLIMIT_NOFILE)


def raise_file_limit() -> None:
    """Allow as many descriptors as we may: a kernel's sockets take about twenty of them."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (_hard_nofile, _hard_nofile))


def restore_file_limit(pid: int) -> None:
    """Give a process the limit that we were started with.

    What we raised for ourselves is not its: select(2) breaks above 1,024.
    """
    if ON_LINUX:
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (_soft_nofile, _hard_nofile))


def spawn(
    argv: Sequence[str],
    cwd: str | None,
    environment: Mapping[str, str],
    stdout: str | None,
    stderr: str | None,
    confinement: Confinement = UNCONFINED,
) -> subprocess.Popen[bytes]:
    """Start a kernel in a session of its own, its output appended to files; raises OSError.

    Of the confinement only the limits are applied: the scope is in ``argv``.
    """
    with contextlib.ExitStack() as stack:
        outputs = []
        for path in (stdout, stderr):
            target = path or os.devnull
            fd = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, fd)
            outputs.append(fd)
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=outputs[0],
            stderr=outputs[1],
            start_new_session=True,
        )
    prefer_for_oom(process.pid)
    try:
        confinement.apply(process.pid)
    except (OSError, ValueError):
        if process.poll() is None:
            process.kill()
            process.wait()
            raise
    restore_file_limit(process.pid)
    return process


class Process:
    """A kernel's process, whether or not it is our child."""

    def __init__(
        self,
        loop: Loop,
        identity: Identity,
        child: subprocess.Popen[bytes] | None,
        on_exit: Callable[[Process], None],
        runtime: str = "",
    ) -> None:
        """Watch it. Of ``runtime`` may be the scope that it is in."""
        self.identity = identity
        self.code: int | None = None
        self.signal: int | None = None
        self.has_exited = False
        self.was_killed = False
        """Whether a SIGKILL was ours."""
        self._loop = loop
        self._child = child
        self._on_exit = on_exit
        self.scope: KernelScope | None = None
        """The scope that it has to itself, as far as it was looked at."""
        self._runtime = runtime
        self._family: list[Identity] = []
        self._fd = -1
        if child is None:
            self.find_scope()  # it may have gone, and its group with it, when that is asked
        self._watch()

    @property
    def pid(self) -> int:
        return self.identity.pid

    @property
    def reason(self) -> str:
        """How it ended: exit, signal, or unknown (it was not our child)."""
        if self.signal is not None:
            return "signal"
        return "unknown" if self.code is None else "exit"

    def _watch(self) -> None:
        """Have the loop call when the process exits, also where it is not our child."""
        try:
            self._fd = os.pidfd_open(self.pid) if ON_LINUX else _exit_queue(self.pid)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise
            self._loop.later(0, self._exited)
            return
        self._loop.watch(self._fd, self._exited)
        if self._child is None and not self.identity.is_alive():
            self._loop.later(0, self._exited)

    def _exited(self) -> None:
        if self.has_exited:
            return
        self.has_exited = True
        if self._child is not None:
            self.find_scope()  # while the process is there to be waited for, so is its group
            status = self._child.wait()
            self.code, self.signal = (status, None) if status >= 0 else (None, -status)
        self.forget()
        self._on_exit(self)

    def find_scope(self) -> KernelScope | None:
        """Return the scope that the process is in; it comes to be there after its start."""
        self.scope = kernel_scope(self.pid, self._runtime) or self.scope
        return self.scope

    def forget(self) -> None:
        """Watch it no longer."""
        if self._fd >= 0:
            self._loop.unwatch(self._fd)
            os.close(self._fd)
            self._fd = -1

    def signal_group(self, signum: int) -> bool:
        """Signal the process group if the kernel leads it, else the kernel alone."""
        if self.has_exited or not self.identity.is_alive():
            return False
        try:
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signum)
                self.was_killed |= signum == signal.SIGKILL
                return True
        except ProcessLookupError:
            return False
        return self._signal_main(signum)

    def signal_tree(self, signum: int) -> bool:
        """Signal the kernel, its session, and all its descendants as far as they can be known.

        Remembers them: what is left of them can be signalled when the kernel itself has gone.
        All that is in the kernel's own scope is its own, whatever it has done to its parents.
        """
        if self.has_exited or not self.identity.is_alive():
            delivered = self.scope is not None and self.scope.signal(signum)
            return self._signal_each(self._family, signum) or delivered
        known = {each.pid for each in self._family}
        self._family += [each for each in family(self.pid) if each.pid not in known]
        if (scope := self.find_scope()) is not None:
            members = set(scope.pids())
            if self.pid in members and scope.signal(signum):
                self.was_killed |= signum == signal.SIGKILL
                self._signal_each([x for x in self._family if x.pid not in members], signum)
                return True
        delivered = self._signal_main(signum)
        return self._signal_each(self._family, signum) or delivered

    def _signal_main(self, signum: int) -> bool:
        try:
            if ON_LINUX and self._fd >= 0:
                signal.pidfd_send_signal(self._fd, signum)
            else:
                os.kill(self.pid, signum)
        except ProcessLookupError:
            return False
        self.was_killed |= signum == signal.SIGKILL
        return True

    def _signal_each(self, processes: Sequence[Identity], signum: int) -> bool:
        delivered = False
        for each in processes:
            if each.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each.pid, signum)
                    delivered = True
        return delivered


def _exit_queue(pid: int) -> int:
    """Return a kqueue (whose descriptor can itself be watched) that fires when the pid exits."""
    names: Any = select
    queue = names.kqueue()
    event = names.kevent(
        pid, names.KQ_FILTER_PROC, names.KQ_EV_ADD | names.KQ_EV_ONESHOT, names.KQ_NOTE_EXIT
    )
    queue.control([event], 0)
    fd = os.dup(queue.fileno())
    queue.close()
    return fd
