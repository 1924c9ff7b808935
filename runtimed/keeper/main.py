"""Start the keeper: arguments, lock, signals."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import socket
from typing import TYPE_CHECKING

from runtimed.host import settle_memory
from runtimed.keeper.keeper import Keeper
from runtimed.keeper.log import LOG, fail, log, open_log
from runtimed.keeper.process import raise_file_limit
from runtimed.keeper.successor import Inheritance, NotSucceeded, inherit
from runtimed.paths import State, UnsafePath, check_socket_path, state_dir
from runtimed.supervision import ServiceManager

if TYPE_CHECKING:
    from collections.abc import Sequence

EX_CANTCREAT = 73
EX_TEMPFAIL = 75
#: The watchdog is fed so many times as often as it must be: each time wakes the processor.
_FEEDS = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the keeper of one state directory; return the exit status.

    75 if that directory has a keeper already that stays, 73 if it cannot be used.
    """
    parser = argparse.ArgumentParser(prog="runtimed keeper", allow_abbrev=False)
    parser.add_argument("--state-dir", metavar="DIR", default=None)
    parser.add_argument(
        "--ready-fd", metavar="N", type=int, default=None, help="write `ready` here when listening"
    )
    parser.add_argument(
        "--take-over", action="store_true", help="succeed the keeper that serves there, if any"
    )
    parser.add_argument(
        "--launchd",
        action="store_true",
        help="launchd ends it, by one SIGTERM, and starts it again",
    )
    arguments = parser.parse_args(argv)
    status = _run(arguments)
    # What launchd would try again for ever, though it cannot become better.
    return 0 if arguments.launchd and status in (EX_CANTCREAT, EX_TEMPFAIL) else status


def _run(arguments: argparse.Namespace) -> int:
    state = State(os.path.abspath(arguments.state_dir or state_dir()))
    try:
        check_socket_path(state.keeper_socket)
        state.create()
        lock = os.open(state.keeper_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (UnsafePath, OSError) as error:
        fail(f"cannot use the state directory: {error}")
        return EX_CANTCREAT
    open_log(state.keeper_log)
    raise_file_limit()
    manager = ServiceManager()
    manager.is_present |= arguments.launchd  # it says nothing of itself in the environment
    keeper = Keeper(state, manager)
    keeper.loop.before_wait(LOG.tend)
    try:
        # The lock is held for as long as the descriptor is open: until the process ends.
        if arguments.take_over:
            inheritance = inherit(state, lock, keeper.loop, keeper.context)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            inheritance = Inheritance(lock)
    except BlockingIOError:
        log(f"another keeper serves {state.dir}")
        return EX_TEMPFAIL
    except (NotSucceeded, OSError) as error:
        log(f"not taken over: {error}")
        return EX_TEMPFAIL
    return _serve(keeper, state, inheritance, arguments.ready_fd)


def _serve(keeper: Keeper, state: State, inheritance: Inheritance, ready_fd: int | None) -> int:
    _handle_signals(keeper)
    try:
        keeper.start(inheritance)
    except OSError as error:
        fail(f"cannot start: {error}")
        return EX_CANTCREAT
    with contextlib.suppress(OSError):  # no room on the disk; it is for whoever looks
        os.truncate(inheritance.lock, 0)
        os.pwrite(inheritance.lock, f"{os.getpid()}\n".encode(), 0)
    keeper.manager.notify("READY=1")
    _feed_watchdog(keeper)
    if ready_fd is not None:
        with contextlib.suppress(OSError):
            os.write(ready_fd, b"ready\n")
            os.close(ready_fd)
    log(f"listening on {state.keeper_socket}")
    settle_memory()
    keeper.run()
    if not keeper.has_left:
        keeper.manager.notify("STOPPING=1")
        log("ended")
    return 0


def _feed_watchdog(keeper: Keeper) -> None:
    """Show the service manager that the loop turns, for as long as it does."""
    if limit_s := keeper.manager.watchdog_s:
        keeper.manager.notify("WATCHDOG=1")
        keeper.loop.later(limit_s / _FEEDS, lambda: _feed_watchdog(keeper))


def _handle_signals(keeper: Keeper) -> None:
    """Hear signals in the loop.

    All of them get a handler, also those that do nothing: what is ignored stays ignored in the
    kernels that we start (they could not be interrupted), a handler does not.
    """
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, lambda signum, frame: None)
    # A shell's background job is begun with SIGINT and SIGQUIT ignored, nohup's with SIGHUP.
    # What Python itself ignores (SIGPIPE, SIGXFSZ) is restored in children by subprocess.
    for signum in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)

    def hear(keep_open: socket.socket = theirs) -> None:
        for signum in ours.recv(64):
            if signum == signal.SIGTERM:
                keeper.terminate()
            elif signum == signal.SIGHUP:
                keeper.renew()

    keeper.loop.watch(ours.fileno(), hear)
