"""What docs/how-to/serve.md tells a person to type, typed from top to bottom."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.shell import BIN, popen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon, State

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "serve.md"
#: On the page; here it may be taken.
PORT = "8899"


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command of the page with what it is shown to print."""
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = command.partition("\n")
            yield line, shown


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


def test_every_command_does_what_the_page_says(state: State, daemon: Daemon) -> None:
    port = free_port()
    env = state.env | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    serving: subprocess.Popen[str] | None = None
    typed = 0
    try:
        for command, shown in commands():
            words = command.replace(PORT, port)
            if words.startswith("runt serve --tcp"):
                serving = popen(state, *words.split()[1:])
                assert serving.stdout is not None
                printed = serving.stdout.readline().replace(port, PORT)
                usual = "~/.local/state/runtimed/serve.token"
                assert printed.replace(state.files.serve_token, usual) == shown
            else:
                done = subprocess.run(
                    ["bash", "-c", words], env=env, capture_output=True, text=True, timeout=60
                )
                assert done.stdout == shown, f"{words}\n{done.stdout}{done.stderr}"
            typed += 1
    finally:
        if serving is not None:
            serving.terminate()
            serving.communicate()
    assert typed == 6
