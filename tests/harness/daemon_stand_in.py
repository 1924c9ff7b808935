"""A program in the daemon's place: it serves small handlers, or fails as it is told.

``FAKE_DAEMON`` says how: serve, exit, silent (closes its ready pipe without a word). Each start is
a line in ``starts`` of the state directory.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from runtimed.paths import socket_path, state_dir
from runtimed.server.dispatch import Dispatcher
from runtimed.server.unix import UnixServer
from tests.harness.lineserver import HANDLERS, Service


async def serve(ready_fd: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as tasks:
        server = UnixServer(socket_path(), Dispatcher(Service(), HANDLERS), tasks)
        await server.start()
        os.write(ready_fd, b"ready\n")
        os.close(ready_fd)
        await stop.wait()
        await server.stop(1)


def main() -> int:
    ready_fd = int(sys.argv[sys.argv.index("--ready-fd") + 1])
    with (Path(state_dir()) / "starts").open("a") as starts:
        starts.write(f"{os.getpid()} {os.getsid(0)} {os.getcwd()} {sorted(os.environ)}\n")
    match os.environ["FAKE_DAEMON"]:
        case "exit":
            sys.stderr.write("the database is newer than this program\n")
            return 3
        case "silent":
            os.close(ready_fd)
            return 0
    asyncio.run(serve(ready_fd))
    return 0


if __name__ == "__main__":
    sys.exit(main())
