"""``runtimed``: run the daemon in the foreground, or (internal) its keeper."""

from __future__ import annotations

import os
import sys

from runtimed import __version__

USAGE = """\
usage: runtimed [--take-over] [--ready-fd N]
       runtimed keeper [--take-over] [--state-dir D] [--ready-fd N]
       runtimed --version | --help

The first runs the daemon in the foreground, the second the keeper of its kernels, which the daemon
or the service manager starts. Either takes over from one that runs already, if told to: the daemon
asks the other to stop, the keeper has the kernels' connections handed over.

The socket is RUNTIMED_SOCKET, the state directory RUNTIMED_STATE_DIR; `runt socket` and
`runt status` print what they are.
"""
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 5
EXIT_DENIED = 7


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    match arguments:
        case ["keeper", *rest]:
            from runtimed.keeper.main import main as keeper

            return keeper(rest)
        case ["--version"]:
            sys.stdout.write(f"runtimed {__version__}\n")
            return 0
        case ["--help" | "-h"]:
            sys.stdout.write(USAGE)
            return 0
        case ["--take-over", *rest] | [*rest, "--take-over"]:
            takes_over = True
        case rest:
            takes_over = False
    match rest:
        case []:
            return run(None, takes_over=takes_over)
        case ["--ready-fd", number] if number.isdecimal():
            return run(int(number), takes_over=takes_over)
    sys.stderr.write(USAGE)
    return EXIT_USAGE


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
        with only_one(state, takes_over=takes_over):
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
