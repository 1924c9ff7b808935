"""``runtimed``: run the daemon in the foreground, or (internal) its keeper."""

from __future__ import annotations

import os
import sys

from runtimed import __version__

USAGE = """\
usage: runtimed [--ready-fd N]        run the daemon in the foreground
       runtimed keeper --state-dir D  run the keeper of its kernels (started by the daemon)
       runtimed --version | --help

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
        case []:
            return run(None)
        case ["--ready-fd", number] if number.isdecimal():
            return run(int(number))
    sys.stderr.write(USAGE)
    return EXIT_USAGE


def run(ready_fd: int | None) -> int:
    """Run the daemon until it is stopped; ``ready_fd`` gets a line when it answers."""
    import asyncio
    import logging

    from runtimed import paths
    from runtimed.api.errors import ApiError
    from runtimed.config import BadSetting, Config
    from runtimed.daemon import AlreadyRunning, Daemon, only_one
    from runtimed.store.db import TooNew

    logging.basicConfig(
        level=os.environ.get("RUNTIMED_LOG_LEVEL", "INFO").upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(message)s",
    )

    def ready() -> None:
        if ready_fd is not None:
            os.write(ready_fd, b"ready\n")
            os.close(ready_fd)

    async def serve(config: Config, state: paths.State) -> None:
        try:
            await Daemon(config, state, paths.socket_path()).run(ready)
        except ExceptionGroup as failed:
            # What kept it from starting is one error, though a task group wraps it.
            if len(failed.exceptions) == 1:
                raise failed.exceptions[0] from None
            raise

    try:
        config = Config.from_environment()
        paths.check_socket_path(paths.socket_path())
        state = paths.State(paths.state_dir())
        paths.check_socket_path(state.keeper_socket)
        state.create()
        with only_one(state):
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
