"""The terminal goes away, or the daemon does for good: the REPL ends, and says what it can."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.process.daemon.adoption.waiting import until
from tests.process.repl.conftest import RUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon


class Line:
    """A terminal that can be hung up."""

    def __init__(self, daemon: Daemon, *words: str, shell: str = "", term: str = "dumb") -> None:
        self._master, slave = os.openpty()
        env = {**daemon.state.env, "TERM": term, "NO_COLOR": "1"}
        command = [*("sh", "-c", f'{shell} exec "$@"', "sh"), RUNT, *words]
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            cwd=daemon.state.project,
            start_new_session=True,
        )
        os.close(slave)
        self.said = ""

    def wait_for(self, text: str) -> None:
        while text not in self.said:
            chunk = os.read(self._master, 65536).decode("utf-8", "replace")
            if "\x1b[6n" in chunk:
                self.type("\x1b[1;1R")  # where the cursor is
            self.said += chunk

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def rest(self) -> str:
        """Return all that comes to its end."""
        try:
            while chunk := os.read(self._master, 65536):
                self.said += chunk.decode("utf-8", "replace")
        except OSError:
            pass  # that is how a terminal ends
        return self.said

    def hang_up(self) -> None:
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def close(self) -> None:
        self.hang_up()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    lines: list[Line] = []
    yield lines
    for line in lines:
        line.close()


@pytest.mark.parametrize("shell", ["", "trap '' HUP;"])
@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_without_its_terminal_it_ends_and_the_runtime_stays(
    daemon: Daemon, lines: list[Line], shell: str, term: str
) -> None:
    line = Line(daemon, "run", "python3", shell=shell, term=term)
    lines.append(line)
    line.wait_for("In [1]:")
    line.hang_up()
    assert line.process.wait(30) == 129
    (runtime,) = daemon.call("runtime.list")
    assert runtime["status"] == "alive"


@pytest.mark.parametrize("typed", ["print?\n", "\x04"])
def test_it_ends_where_no_daemon_can_come_while_something_is_asked(
    daemon: Daemon, lines: list[Line], typed: str
) -> None:
    line = Line(daemon, "run", "python3")
    lines.append(line)
    line.wait_for("In [1]:")
    (runtime,) = daemon.call("runtime.list")
    os.kill(runtime["pid"], 19)  # SIGSTOP: it answers nothing
    try:
        line.type(typed)
        # The daemon has got it: it asks the kernel.
        until(lambda: asked_of(daemon, runtime["id"]))
        other = daemon.state.root / "no-socket"
        other.write_text("")
        os.replace(other, daemon.state.socket)  # nobody is to find none, and start a daemon
        daemon.kill()
        assert "is not a socket" in line.rest()
        assert line.process.wait(30) == 5
    finally:
        os.kill(runtime["pid"], 18)
        os.unlink(daemon.state.socket)
        daemon.start()


def asked_of(daemon: Daemon, runtime_id: str) -> bool:
    """Say whether the kernel has been asked for something that it has not answered."""
    journal = daemon.state.dir / "journal" / runtime_id
    written = b"".join(path.read_bytes() for path in journal.iterdir())
    return b"inspect_request" in written or b"shutdown_request" in written


def test_what_others_print_does_not_command_the_terminal(daemon: Daemon, lines: list[Line]) -> None:
    line = Line(daemon, "run", "python3", "--name", "mine", term="xterm")
    lines.append(line)
    line.wait_for("In [1]:")
    code = r"print('\x1b]52;c;aGk=\x07\x1b[?1049h\x1b[31mred\x1b[0m of ' + 'others')"
    daemon.call("execution.eval", runtime="mine", code=code, wait_s=30)
    line.wait_for("of others\r\n")
    assert "\x1b]52" not in line.said
    assert "\x1b[?1049h" not in line.said
    line.wait_for("In [2]:")
    line.type(code.replace("others", "mine") + "\r")
    line.wait_for("of mine\r\n")
    assert "\x1b]52;c;aGk=\x07" in line.said  # whoever has typed it, may


def test_a_question_behind_a_long_line_is_answered(daemon: Daemon, lines: list[Line]) -> None:
    line = Line(daemon, "run", "python3", term="xterm")
    lines.append(line)
    line.wait_for("In [1]:")
    line.type("print('x' * 150_000, end=''); len(input('?' * 5000 + ' and?'))\r")
    line.wait_for("and?")
    line.type("four\r")
    line.wait_for("Out[1]: ")
    line.wait_for("In [2]:")


def test_a_kernel_that_somebody_has_restarted_is_not_restarted_again(
    daemon: Daemon, lines: list[Line]
) -> None:
    line = Line(daemon, "run", "python3", "--name", "twice")
    lines.append(line)
    line.wait_for("In [1]:")
    line.type("import os; os._exit(3)\n")
    line.wait_for("Restart it?")
    daemon.call("runtime.restart", runtime="twice")
    daemon.call("execution.eval", runtime="twice", code="kept = 40", wait_s=30)
    line.said = ""
    line.type("\n")
    line.wait_for("In [")
    line.type("kept + 2\n")
    line.wait_for(": 42")
    assert daemon.call("runtime.get", runtime="twice")["incarnation"] == 2
