"""`runt serve`, in front of a real daemon: with its token, and in nobody else's way."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.curl import EventSource
from tests.harness.daemon import Daemon, State, runt
from tests.harness.serving import Serving, serving
from tests.process.daemon.adoption.waiting import until
from tests.process.daemon.executions.conftest import daemon, state

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["daemon", "state"]  # one daemon for all tests of this module


@pytest.fixture(scope="module")
def served(state: State, daemon: Daemon) -> Iterator[Serving]:
    with serving(state, "--tcp", "127.0.0.1:0") as found:
        yield found


def test_the_api_for_who_has_the_token(state: State, served: Serving) -> None:
    cell = {"code": "6 * 7", "runtime": start(served)}
    status, _, found = served.ask("POST", "/v0/executions?wait_s=60", cell)
    assert status in (200, 201)
    assert found["outputs"][-1]["data"]["text/plain"] == "42"
    status, headers, found = served.ask("GET", "/v0/runtimes", Authorization="")
    assert (status, found["name"]) == (401, "Denied")
    assert headers["www-authenticate"].startswith('Bearer realm="runtimed"')
    status, _, found = served.ask("GET", "/v0/runtimes", Authorization="Bearer wrong")
    assert status == 401


def start(served: Serving) -> str:
    status, _, runtime = served.ask("POST", "/v0/runtimes", {"kernel_name": "python3"})
    assert status == 201
    return str(runtime["id"])


def test_pages_and_strange_names_are_refused(served: Serving) -> None:
    for headers, status in (
        ({"Host": "rebound.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": f"localhost:{served.port}"}, 200),
    ):
        assert served.ask("GET", "/v0/runtimes", **headers)[0] == status


def test_rpc_passes_too(served: Serving) -> None:
    call = {"jsonrpc": "2.0", "id": 7, "method": "daemon.status", "params": {}}
    status, _, found = served.ask("POST", "/rpc", call)
    assert (status, found["id"]) == (200, 7)
    assert found["result"]["state_dir"]


def test_the_token_is_in_no_argument_and_no_variable(state: State, served: Serving) -> None:
    file = Path(state.files.serve_token)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() == served.token
    process = Path(f"/proc/{served.process.pid}")
    for name in ("cmdline", "environ"):
        assert served.token.encode() not in (process / name).read_bytes()
    assert served.token not in state.logs()
    printed = runt(state, "serve", "--print-token")
    assert (printed.returncode, printed.stdout) == (0, f"{served.token}\n")


def listening(served: Serving, last_event_id: str | None = None) -> EventSource:
    header = f"Authorization: Bearer {served.token}"
    command = ["curl", "-sN", "-H", header, f"{served.url}/v0/events"]
    return EventSource(command, last_event_id)


def test_events_pass_and_go_on_after_a_crash_of_the_daemon(
    state: State, daemon: Daemon, served: Serving
) -> None:
    runtime = start(served)
    with listening(served) as source:
        # Curl has its answer from the first comment on; what was before that is of no concern.
        source.until(lambda it: it.reader.retry_ms)
        cell = {"code": "print('before')", "runtime": runtime}
        served.ask("POST", "/v0/executions?wait_s=60", cell)
        source.until(lambda it: it.text == "before\n")
        daemon.kill()
        source.to_the_end()
        assert source.process.returncode == 18, "curl says that it is not the whole"
    status, headers, problem = served.ask("GET", "/v0/runtimes")
    assert (status, problem["name"]) == (503, "DaemonUnreachable")
    assert headers["retry-after"] == "1"
    daemon.start()
    cell = {"code": "print('after')", "runtime": runtime}
    status, _, found = served.ask("POST", "/v0/executions?wait_s=60", cell)
    assert found["status"] == "done"
    with listening(served, source.reader.last_event_id) as resumed:
        resumed.until(lambda it: it.text)
        assert resumed.text == "after\n"


def test_work_starts_a_daemon_and_looking_does_not() -> None:
    def rpc(served: Serving, method: str, **params: Any) -> int:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return served.ask("POST", "/rpc", call)[0]

    fresh = State.create()
    try:
        with serving(fresh, "--tcp", "127.0.0.1:0") as served:
            assert rpc(served, "daemon.stop", kernels=True) == 200
            until(lambda: served.ask("GET", "/v0/daemon")[2].get("name") == "DaemonUnreachable")
            assert served.ask("GET", "/v0/daemon")[0] == 503
            assert rpc(served, "daemon.status") == 200
            assert served.ask("GET", "/v0/daemon")[0] == 200
    finally:
        fresh.dispose()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)]
)
def test_it_ends_in_order(state: State, daemon: Daemon, number: int, code: int) -> None:
    with serving(state, "--tcp", "127.0.0.1:0") as served, listening(served) as source:
        source.until(lambda it: it.reader.retry_ms)
        served.process.send_signal(number)
        out, err = served.process.communicate(timeout=30)
        assert (served.process.returncode, out, err) == (code, "", "")
        source.to_the_end()


def test_a_page_of_an_allowed_origin(state: State, daemon: Daemon) -> None:
    page = "https://notebook.example"
    with serving(state, "--tcp", "127.0.0.1:0", "--allow-origin", page) as served:
        status, headers, _ = served.ask("GET", "/v0/runtimes", Origin=page)
        assert (status, headers["access-control-allow-origin"]) == (200, page)
        status, headers, _ = served.ask("GET", "/v0/runtimes", Origin=f"{page}:8443")
        assert (status, "access-control-allow-origin" in headers) == (403, False)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_other_machines_reach_it_only_where_that_is_said(
    state: State, daemon: Daemon, host: str
) -> None:
    refused = runt(state, "serve", "--tcp", f"{host}:0")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--allow-remote" in refused.stderr
    if host == "0.0.0.0":
        with serving(state, "--tcp", f"{host}:0", "--allow-remote") as served:
            assert served.ask("GET", "/v0/runtimes")[0] == 200
            assert served.ask("GET", "/v0/runtimes", Host="a.name.example")[0] == 421


def test_what_makes_no_sense_is_refused_in_a_sentence(state: State, daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, code, word in (
            ((), 2, "--tcp 127.0.0.1:0"),
            (("--tcp", "8080"), 2, "not HOST:PORT"),
            (("--tcp", "127.0.0.1:99999"), 2, "not HOST:PORT"),
            (("--tcp", "no.such.name.invalid:0"), 2, "no address of this machine"),
            (("--tcp", "127.0.0.1:0", "--allow-origin", "*"), 2, "not an origin"),
            (("--tcp", f"127.0.0.1:{port}"), 4, "Address already in use"),
        ):
            done = runt(state, "serve", *arguments)
            assert (done.returncode, word in done.stderr) == (code, True), done
            assert done.stderr.count("\n") == 1


def test_a_token_that_others_know_is_refused(state: State, daemon: Daemon) -> None:
    file = state.root / "token"
    made = runt(state, "serve", "--print-token", "--token-file", str(file))
    assert made.stdout.strip() == file.read_text().strip()
    file.chmod(0o644)
    done = runt(state, "serve", "--tcp", "127.0.0.1:0", "--token-file", str(file))
    assert (done.returncode, "has mode 0644" in done.stderr) == (7, True)


def test_nothing_of_it_is_loaded_to_show_its_help() -> None:
    heavy = "('uvicorn', 'h11', 'asyncio')"
    code = f"import runt.commands.serve, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
