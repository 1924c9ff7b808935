"""Start the daemon where it does not run: once, however many ask at the same time."""

from __future__ import annotations

import os
import sys

from runtimed.client.connect import Nobody, denied, dial, unreachable
from runtimed.environ import inheritable
from runtimed.paths import State, UnsafePath, private_dir, socket_path, state_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

COMMAND = (sys.executable, "-m", "runtimed")
_LOG_TAIL_BYTES = 4096
#: The daemon's exit status where a place is not safely ours; as in main.py.
_EXIT_DENIED = 7


def ensure_daemon(path: str | None = None) -> socket:
    """Return a socket connected to the daemon, which is started first where none answers.

    Raises `CallFailed`: ``DaemonUnreachable`` with the end of what it wrote if it does not come
    up, ``NotRuntimed`` if something else answers, ``Denied`` if a place is not safely ours.
    """
    path = path or socket_path()
    try:
        return dial(path)
    except Nobody:
        pass
    try:
        private_dir(os.path.dirname(path))
        return _start_locked(path)
    except UnsafePath as error:
        raise denied(str(error)) from None
    except OSError as error:
        raise unreachable(path, f"it cannot be started: {error}") from None


def _start_locked(path: str) -> socket:
    """Start it under the lock, unless who held the lock before us did."""
    import fcntl

    lock = os.open(path + ".start", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return dial(path)
        except Nobody:
            pass
        _spawn(path)
        return dial(path)
    finally:
        os.close(lock)


def _spawn(path: str) -> None:
    """Start the daemon in a session of its own, and wait until it says that it is ready."""
    import subprocess

    state = State(private_dir(state_dir()))
    log = os.open(state.daemon_log, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    ready, ready_child = os.pipe()
    try:
        begin = os.fstat(log).st_size
        try:
            process = subprocess.Popen(
                [*COMMAND, "--ready-fd", str(ready_child)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                pass_fds=(ready_child,),
                env=_environment(path),
            )
        finally:
            os.close(ready_child)
        # End of file: it has ended, or closed its end, without being ready.
        if os.read(ready, 16) != b"ready\n":
            status = process.wait()
            detail = _describe_failure(status, log, begin, state.daemon_log)
            raise denied(detail) if status == _EXIT_DENIED else unreachable(path, detail)
        # It outlives us; nobody is to warn that it still runs.
        process.returncode = 0
    finally:
        os.close(ready)
        os.close(log)


def _environment(path: str) -> dict[str, str]:
    return inheritable(os.environ) | {"RUNTIMED_SOCKET": path}


def _describe_failure(status: int, log: int, begin: int, log_path: str) -> str:
    size = os.fstat(log).st_size
    written = os.pread(log, _LOG_TAIL_BYTES, max(begin, size - _LOG_TAIL_BYTES))
    tail = written.decode("utf-8", "replace").strip()
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"it was started and ended with {how}" + (
        f":\n{tail}" if tail else f"; {log_path} may tell more"
    )
