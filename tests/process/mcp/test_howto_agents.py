"""What docs/how-to/agents.md tells a person to type, typed from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runt.mcp_clients.known import CLIENTS
from tests.harness.shell import BIN, popen
from tests.process.gateway.test_howto import PORT, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon, State

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "agents.md").read_text()
TOKEN_FILE = "~/.local/state/runtimed/serve.token"


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command of the page with what it is shown to print."""
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = command.partition("\n")
            yield line, shown


def is_as_shown(printed: str, shown: str) -> bool:
    """Compare; … in what is shown is anything, over lines too."""
    pattern = ".*".join(map(re.escape, shown.split("…")))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


def test_every_command_does_what_the_page_says(state: State, daemon: Daemon) -> None:
    port = free_port()
    env = state.env | {"PATH": f"{BIN}:{os.environ['PATH']}", "VIRTUAL_ENV": sys.prefix}
    serving: subprocess.Popen[str] | None = None
    typed = 0
    try:
        for command, shown in commands():
            words = command.replace(PORT, port)
            if words.startswith("runt serve --tcp"):
                serving = popen(state, *words.split()[1:])
                assert serving.stdout is not None
                printed = serving.stdout.readline().replace(port, PORT)
                assert printed.replace(state.files.serve_token, TOKEN_FILE) == shown
            else:
                done = subprocess.run(
                    ["bash", "-c", words],
                    env=env,
                    cwd=state.project,
                    capture_output=True,
                    text=True,
                    timeout=60,
                )
                assert is_as_shown(done.stdout, shown), f"{words}\n{done.stdout}{done.stderr}"
            typed += 1
    finally:
        if serving is not None:
            serving.terminate()
            serving.communicate()
    assert typed == 15


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_table_has_every_client_and_its_files(client: object) -> None:
    from runt.mcp_clients.known import Client

    assert isinstance(client, Client)
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{client.name}` |")]
    assert client.file in row
    assert f"`{client.project_file}` |" in row if client.project_file else row.endswith("| |")
