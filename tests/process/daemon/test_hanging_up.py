"""SIGHUP: from a terminal it says that nobody is there any more, else that the settings changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State


def test_a_daemon_reads_its_settings_again(daemon: Daemon) -> None:
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "settings read again" in daemon.state.logs(), "the new settings")
    assert daemon.call("daemon.status")["pid"] == daemon.pid


def test_a_daemon_in_a_terminal_ends_with_it(state: State) -> None:
    ours, terminal = os.openpty()
    daemon = subprocess.Popen(
        [sys.executable, "-m", "runtimed"],
        env=state.env,
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with daemon:
        os.close(terminal)
        until(state.socket.exists, "the socket")
        with state.connection() as client:
            assert client.call("daemon.status", {})["pid"] == daemon.pid
        daemon.send_signal(signal.SIGHUP)
        _, said = daemon.communicate(timeout=30)
    os.close(ours)
    assert daemon.returncode == 0
    assert "settings read again" not in said
