"""What is on stdout is the protocol's, whatever comes in and whatever the code prints."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from tests.harness.mcp_client import RUNT

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State


def _message(id: int | None, method: str, **params: Any) -> str:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(message if id is None else {**message, "id": id}) + "\n"


def _initialize(id: int) -> str:
    return _message(
        id,
        "initialize",
        protocolVersion="2025-06-18",
        capabilities={},
        clientInfo={"name": "raw", "version": "1"},
    )


def test_stdout_has_nothing_but_messages_and_the_end_of_stdin_ends_it(
    state: State, shared: str
) -> None:
    code = "import os, sys\nos.write(1, b'raw\\n')\nprint('x' * 100_000)\nprint(file=sys.stderr)"
    with subprocess.Popen(
        [RUNT, "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=state.env,
        text=True,
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write("no json\n[]\n{}\n\n" + _initialize(1))
        server.stdin.write(_message(None, "notifications/initialized"))
        server.stdin.write(
            _message(2, "tools/call", name="run_code", arguments={"code": code, "runtime": shared})
        )
        half = {"code": "'\ud83d'", "runtime": shared}  # as JavaScript cuts an emoji
        server.stdin.write(_message(3, "tools/call", name="run_code", arguments=half))
        deep = {"code": json.loads("[" * 900 + "]" * 900)}
        server.stdin.write(_message(5, "tools/call", name="run_code", arguments=deep))
        server.stdin.write('{"jsonrpc": "2.0", "id": 6, "method": "ping", "params": []}\n')
        batch = [_message(7, "ping"), _message(4, "no/method")]
        server.stdin.write("[" + ",".join(each.strip() for each in batch) + "]\n")
        server.stdin.flush()
        answers: dict[int, Any] = {}
        while set(answers) != {1, 2, 3, 4, 5, 6, 7}:
            message = json.loads(server.stdout.readline())
            answers[message["id"]] = message
        server.stdin.close()
        assert server.stdout.read() == ""
        assert server.wait(30) == 0
    assert answers[1]["result"]["protocolVersion"] == "2025-06-18"
    assert answers[4]["error"]["code"] == -32601 and answers[7]["result"] == {}
    assert answers[6]["error"]["code"] == -32600
    assert "half of a character" in answers[3]["result"]["content"][0]["text"]
    assert answers[5]["result"]["isError"] is True
    text = answers[2]["result"]["content"][0]["text"]
    assert len(text) <= 8000


def test_a_host_that_reads_no_more_ends_it(state: State, daemon: Daemon) -> None:
    with subprocess.Popen(
        [RUNT, "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=state.env,
        text=True,
    ) as server:
        assert server.stdin is not None and server.stdout is not None and server.stderr is not None
        server.stdout.close()
        server.stdin.write(_initialize(1))
        server.stdin.flush()
        assert server.wait(30) == 1  # stdin is open
        assert server.stderr.read() == ""


def test_help_names_what_is_seen(state: State, daemon: Daemon) -> None:
    shown = subprocess.run([RUNT, "mcp", "--help"], env=state.env, capture_output=True, text=True)
    assert shown.returncode == 0
    for option in ("--read-only", "--runtime", "--project", "--all", "--agent"):
        assert option in shown.stdout
