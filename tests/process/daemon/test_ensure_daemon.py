"""Starting the real daemon while its predecessor goes; many at once: see process/runt."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State

CLIENT = """
import sys
from runtimed.client.lines import connect
from runtimed.client.start import ensure_daemon
sys.stdin.read()
client = connect(ensure_daemon(), "the socket", "test")
print(client.call("daemon.status")["pid"])
"""


def many_clients(state: State, count: int) -> set[int]:
    """Run clients that all start at once; return the pids of the daemons that answered."""
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT],
            env=state.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    for client in clients:
        assert client.stdin is not None
        client.stdin.close()  # now
    pids = set()
    for client in clients:
        assert client.stdout is not None
        with client.stdout as stdout:
            pids.add(int(stdout.read()))
        assert client.wait() == 0
    return pids


def test_clients_that_come_while_the_daemon_stops_get_the_next_one(daemon: Daemon) -> None:
    first = daemon.pid
    with daemon.state.connection() as client:
        client.call("daemon.stop")
    (second,) = many_clients(daemon.state, 5)
    assert second != first
    daemon.stop()
    os.kill(second, 0)
