"""``runtimed``: run the daemon in the foreground, or (internal) its keeper."""

from __future__ import annotations

import os
import signal
import sys

from runtimed import __version__

USAGE = """\
usage: runtimed [--take-over] [--launchd] [--ready-fd N]
       runtimed keeper [--take-over] [--launchd] [--state-dir D] [--ready-fd N]
       runtimed keeper --succeed PID
       runtimed --check | --version | --help

The first runs the daemon in the foreground, the second the keeper of its kernels, which the daemon
or the service manager starts. Either takes over from one that runs already, if told to: the daemon
asks the other to stop, the keeper has the kernels' connections handed over. With --succeed the
keeper of that pid does so, and leaves; it exits 5 with the reason where that one stays.

--check says whether the daemon could start here, and leaves all as it is. --launchd is for launchd,
which starts again what fails: what cannot become better by that ends with status 0.

The socket is RUNTIMED_SOCKET, the state directory RUNTIMED_STATE_DIR; `runt socket` and
`runt status` print what they are.
"""
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 5
EXIT_DENIED = 7
#: What cannot become better by trying again.
_LASTING = (EXIT_USAGE, EXIT_DENIED)


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    match arguments:
        case ["keeper", "--succeed", pid] if pid.isdecimal():
            return succeed(int(pid))
        case ["keeper", *rest]:
            from runtimed.keeper.main import main as keeper

            return keeper(rest)
        case ["--version"]:
            sys.stdout.write(f"runtimed {__version__}\n")
            return 0
        case ["--help" | "-h"]:
            sys.stdout.write(USAGE)
            return 0
        case ["--check"]:
            return check()
    takes_over = "--take-over" in arguments
    match [word for word in arguments if word not in ("--take-over", "--launchd")]:
        case []:
            status = run(None, takes_over=takes_over)
        case ["--ready-fd", number] if number.isdecimal():
            status = run(int(number), takes_over=takes_over)
        case _:
            sys.stderr.write(USAGE)
            return EXIT_USAGE
    # launchd has no list of statuses after which it does not try again (see the systemd unit).
    return 0 if "--launchd" in arguments and status in _LASTING else status


def check() -> int:
    """Say whether the daemon could start, as far as is known while everything stays as it is."""
    import runtimed.daemon
    import runtimed.keeper.main  # noqa: F401
    from runtimed import paths
    from runtimed.api.errors import ApiError
    from runtimed.config import BadSetting, load
    from runtimed.reporting import abort_s
    from runtimed.store import db

    socket_path = paths.socket_path()
    try:
        load()
        abort_s(os.environ)
        state = paths.State(paths.state_dir())
        for path in (socket_path, state.keeper_socket):
            paths.check_socket_path(path)
        for directory in (os.path.dirname(socket_path), state.dir):
            paths.check_usable(directory)
        db.check(state.database)
    except BadSetting as error:
        return _refuse(error, EXIT_USAGE)
    except paths.UnsafePath as error:
        return _refuse(error, EXIT_DENIED)
    except (ApiError, db.TooNew, OSError) as error:
        return _refuse(error, EXIT_UNAVAILABLE)
    return 0


def succeed(pid: int) -> int:
    """Have the keeper of this pid hand over to one of this very program.

    ExecReload runs it: the keeper itself knows only the program that it was started with.
    """
    from runtimed.managers.detached import COMMAND
    from runtimed.managers.failures import ServiceFailure
    from runtimed.managers.handover import hand_over
    from runtimed.managers.instance import current

    try:
        hand_over(current(), pid, COMMAND, lambda: os.kill(pid, signal.SIGHUP))
    except (ServiceFailure, OSError) as error:
        return _refuse(error, EXIT_UNAVAILABLE)
    return 0


def run(ready_fd: int | None, *, takes_over: bool = False) -> int:
    """Run the daemon until it is stopped; ``ready_fd`` gets a line when it answers."""
    import asyncio
    import faulthandler
    import logging

    from runtimed import paths
    from runtimed.activation import given_listener
    from runtimed.api.errors import ApiError
    from runtimed.config import BadSetting, Loaded, load
    from runtimed.daemon import Daemon
    from runtimed.lock import AlreadyRunning, only_one
    from runtimed.logs import handler
    from runtimed.logs.entry import Role
    from runtimed.logs.log import Log, place_of, standard_error
    from runtimed.server.unix import check_given
    from runtimed.store.db import TooNew

    # A service manager's watchdog ends us by SIGABRT: then the log has where we hung.
    if sys.stderr is not None:
        faulthandler.enable()
    log = Log(standard_error(Role.DAEMON))
    handler.install(log)

    def ready() -> None:
        if ready_fd is not None:
            os.write(ready_fd, b"ready\n")
            os.close(ready_fd)

    async def serve(config: Loaded, state: paths.State) -> None:
        try:
            await Daemon(config, state, socket_path, listener).run(ready)
        except ExceptionGroup as failed:
            # What kept it from starting is one error, though a task group wraps it.
            if len(failed.exceptions) == 1:
                raise failed.exceptions[0] from None
            raise

    try:
        config = load()
        logging.getLogger().setLevel(config.log_level)
        listener = given_listener()
        socket_path = paths.socket_path() if listener is None else check_given(listener)
        paths.check_socket_path(socket_path)
        state = paths.State(paths.state_dir())
        paths.check_socket_path(state.keeper_socket)
        state.create()
        log.move(place_of(state.daemon_log, Role.DAEMON, config.log_file_bytes, config.log_files))
        with only_one(state, socket_path, takes_over=takes_over):
            asyncio.run(serve(config, state))
    except BadSetting as error:
        return _refuse(error, EXIT_USAGE)
    except paths.UnsafePath as error:
        return _refuse(error, EXIT_DENIED)
    except (ApiError, AlreadyRunning, TooNew, OSError) as error:
        return _refuse(error, EXIT_UNAVAILABLE)
    return 0


def _refuse(error: Exception, exit_code: int) -> int:
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"  # less the number
    sys.stderr.write(f"runtimed: {text}\n")
    return exit_code
