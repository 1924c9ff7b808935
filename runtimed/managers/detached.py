"""No service manager: the daemon in a session of its own, started by whoever needs it first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from runtimed.environ import inheritable
from runtimed.host import ON_LINUX
from runtimed.managers.failures import ServiceFailure, StartFailed
from runtimed.managers.handover import KeeperStays, hand_over
from runtimed.managers.protocol import NOT_RUNNING, LogPlaces, Status, Unit
from runtimed.managers.trial import try_out
from runtimed.managers.waiting import wait_for_exit
from runtimed.paths import private_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runtimed.managers.instance import Instance

#: How this very program starts the daemon.
COMMAND = (sys.executable, "-m", "runtimed")
#: A daemon lets calls finish for 5 s, and may have a checkpoint to write.
STOP_S = 30.0
_KILL_S = 5.0
_LOOK_S = 0.02
_LOG_TAIL_BYTES = 4096
#: A keeper's exit status where there is one already; as in runtimed/keeper/main.py.
_ANOTHER_KEEPER = 75
NOTHING_TO_INSTALL = (
    "there is no service manager here (neither systemd --user nor launchd), so nothing is "
    "installed; the daemon runs detached, and `runt` starts it when it is needed"
)


def holder_of(lock: str) -> int | None:
    """Return the pid of the process that holds this lock file, None if nobody does.

    0 where somebody does who has not said who it is: it starts, or stops.
    """
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 32, 0).split(b"\n")[0]
        return int(text) if text.isdigit() else 0
    finally:
        os.close(fd)
    return None


def wait_until_free(lock: str, timeout_s: float) -> bool:
    """Return whether nobody holds the lock file any more, as soon as that is so."""
    deadline = time.monotonic() + timeout_s
    while (pid := holder_of(lock)) is not None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return False
        if pid:
            wait_for_exit(pid, left_s)
        else:
            time.sleep(_LOOK_S)  # it does not say who it is, so there is nothing to wait for
    return True


def answers_at(instance: Instance) -> tuple[int, str] | None:
    """Return the pid of the daemon that has the state directory, and where it answers.

    None if that is where this instance is to answer, or cannot be known.
    """
    try:
        with open(instance.state.daemon_lock, encoding="utf-8", errors="surrogateescape") as lock:
            pid, socket, *_ = lock.read().split("\n")
    except (OSError, ValueError):
        return None
    is_ours = os.path.realpath(socket) == os.path.realpath(instance.socket)
    if not socket or is_ours or str(holder_of(instance.state.daemon_lock)) != pid:
        return None
    return int(pid), socket


def spawn(
    command: Sequence[str],
    instance: Instance,
    environ: Mapping[str, str],
    log_path: str | None = None,
) -> int:
    """Start the daemon in a session of its own; return its pid when it says that it is ready.

    Or a keeper, by its command and the path of its log. Raises `StartFailed` with the end of what
    it wrote, `UnsafePath` or `OSError`.
    """
    state = instance.state
    private_dir(state.dir)
    log_path = log_path or state.daemon_log
    log = os.open(log_path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    ready, ready_child = os.pipe()
    try:
        begin = os.fstat(log).st_size
        try:
            process = subprocess.Popen(
                [*command, "--ready-fd", str(ready_child)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                pass_fds=(ready_child,),
                env=inheritable(environ) | instance.variables(),
            )
        finally:
            os.close(ready_child)
        # End of file: it has ended, or closed its end, without being ready.
        if os.read(ready, 16) != b"ready\n":
            status = process.wait()
            raise StartFailed(status, _describe_failure(status, log, begin, log_path))
        # It outlives us; nobody is to warn that it still runs.
        process.returncode = 0
        return process.pid
    finally:
        os.close(ready)
        os.close(log)


def _describe_failure(status: int, log: int, begin: int, log_path: str) -> str:
    size = os.fstat(log).st_size
    written = os.pread(log, _LOG_TAIL_BYTES, max(begin, size - _LOG_TAIL_BYTES))
    tail = written.decode("utf-8", "replace").strip()
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"it was started and ended with {how}" + (
        f":\n{tail}" if tail else f"; {log_path} may tell more"
    )


def start_keeper(instance: Instance) -> None:
    """Start a keeper, where no daemon does, and wait until it listens; it finds its kernels.

    Raises `ServiceFailure`.
    """
    command = (*COMMAND, "keeper")
    try:
        spawn(command, instance, os.environ, instance.state.keeper_log)
    except OSError as error:
        raise ServiceFailure(f"no keeper can be started: {error}") from None
    except StartFailed as failed:
        if failed.status != _ANOTHER_KEEPER:  # somebody was quicker
            raise ServiceFailure(f"no keeper can be started: {failed}") from None


class Detached:
    """Processes without a manager; see `runtimed.managers.protocol.Manager`."""

    name = "detached"

    def __init__(self, instance: Instance, command: Sequence[str] = COMMAND) -> None:
        self.instance = instance
        self._command = command

    def is_installed(self) -> bool:
        return False

    def elsewhere(self) -> str | None:
        return None

    def install(self) -> list[str]:
        return [NOTHING_TO_INSTALL, *self.start()]

    def renew(self) -> list[str]:
        return []

    def uninstall(self) -> list[str]:
        return [*self.stop(keeper=True), "nothing was installed"]

    def start(self) -> list[str]:
        if pid := self._daemon():
            if found := answers_at(self.instance):
                raise ServiceFailure(
                    f"the daemon of {self.instance.state_dir} (pid {pid}) answers at {found[1]}, "
                    f"and not at {self.instance.socket}; `runt service restart` has it answer here"
                )
            return [f"runs already, detached (pid {pid})"]
        self._try_out()
        try:
            private_dir(os.path.dirname(self.instance.socket))
            with self.one_starts():
                if pid := self._daemon():
                    return [f"runs already, detached (pid {pid})"]
                pid = spawn(self._command, self.instance, os.environ)
        except OSError as error:
            raise ServiceFailure(str(error)) from None
        return [f"started, detached (pid {pid})"]

    def _try_out(self) -> None:
        try_out(self._command, inheritable(os.environ) | self.instance.variables())

    @contextlib.contextmanager
    def one_starts(self) -> Iterator[None]:
        """Hold the lock of whoever starts the daemon: one does, the others find it there."""
        lock = os.open(
            self.instance.socket + ".start", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def stop(self, *, keeper: bool) -> list[str]:
        """Stop the daemon. A keeper without kernels leaves by itself; one with kernels stays."""
        pid = self._daemon()
        if pid is None:
            return [NOT_RUNNING]
        lock = self.instance.state.daemon_lock
        if pid:
            _signal(pid, lock, signal.SIGTERM)
        if wait_until_free(lock, STOP_S):
            return ["stopped"]
        # As systemd does; what it was about to write is in the keeper's journals.
        if pid:
            _signal(pid, lock, signal.SIGKILL)
        if not wait_until_free(lock, _KILL_S):
            raise ServiceFailure(f"the daemon (pid {pid}) has not stopped in {STOP_S:.0f} s")
        return [f"killed: it had not stopped in {STOP_S:.0f} s"]

    def restart(self, keeper_pid: int | None) -> list[str]:
        self._try_out()
        done, stays = [], None
        # A daemon that has lost its keeper does not know its pid.
        keeper_pid = keeper_pid or holder_of(self.instance.state.keeper_lock)
        if keeper_pid:

            def ask() -> None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(keeper_pid, signal.SIGHUP)

            try:
                came = hand_over(self.instance, keeper_pid, self._command, ask)
                done.append(f"the keeper (pid {keeper_pid}) {came}")
            except KeeperStays as failure:
                stays = failure
        ran = self._daemon() is not None
        if ran:
            self.stop(keeper=False)
        done += [text.replace("started", "restarted") if ran else text for text in self.start()]
        if stays:
            raise ServiceFailure(f"the daemon was restarted, but {stays}")
        return done

    def status(self) -> Status:
        pid = self._daemon()
        state = "inactive" if pid is None else "active"
        return Status(
            manager=self.name,
            installed=False,
            running=pid is not None,
            program=" ".join(self._command),
            units=[Unit("runtimed", state, pid or None)],
        )

    def logs(self) -> LogPlaces:
        state = self.instance.state
        return LogPlaces(files=[state.daemon_log, state.keeper_log])

    def _daemon(self) -> int | None:
        return holder_of(self.instance.state.daemon_lock)


def _signal(pid: int, lock: str, signum: signal.Signals) -> None:
    """Send the signal to the process, if it is still the one that holds the lock."""
    with contextlib.suppress(ProcessLookupError):
        if not ON_LINUX:
            os.kill(pid, signum)
            return
        fd = os.pidfd_open(pid)
        try:
            # Whoever holds the lock now under that pid is the process that the descriptor is of.
            if holder_of(lock) == pid:
                signal.pidfd_send_signal(fd, signum)
        finally:
            os.close(fd)
