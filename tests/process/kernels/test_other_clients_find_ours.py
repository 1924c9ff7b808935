"""The kernels that we start, over ipc, in the hands of other Jupyter clients.

They find them by their connection files. However such a client leaves, and whatever it takes for
its own and tidies away, the kernel goes on, and the next one finds it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.harness.daemon import Daemon
from tests.harness.foreign import kernel_environment
from tests.harness.jupyter_server import running_jupyter_server
from tests.process.daemon.adoption.waiting import adopted, execution, until
from tests.process.daemon.story import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.daemon import State
    from tests.harness.jupyter_server import JupyterServer

PROMPT = r"In \[\d+\]: "

#: A client in a process of its own, which is killed in the middle of what it runs.
CLIENT = """
import sys
from jupyter_client.blocking.client import BlockingKernelClient
client = BlockingKernelClient(connection_file=sys.argv[1])
client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=60)
client.execute(sys.argv[2], allow_stdin=True)
print(client.get_stdin_msg(timeout=60)["content"]["prompt"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def daemon(state: State) -> Iterator[Daemon]:
    """One that looks at its kernels often."""
    daemon = Daemon(state, {"RUNTIMED_PROBE_INTERVAL_S": "0.2"}).start()
    try:
        yield daemon
    finally:
        daemon.dispose()


@pytest.fixture
def ours(daemon: Daemon) -> Any:
    runtime = daemon.call("runtime.start", kernel_name="python3")
    assert runtime["transport"] == "ipc"
    return runtime


@pytest.fixture
def console(state: State, ours: Any) -> Iterator[pexpect.spawn[str]]:
    """``jupyter console --existing FILE``, at its first prompt."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "jupyter_console", "--existing", ours["connection_file"], "--simple-prompt"],
        env=kernel_environment(state) | {"TERM": "dumb"},
        cwd=str(state.project),
        encoding="utf-8",
        timeout=60,
    )
    try:
        child.expect(PROMPT)
        yield child
    finally:
        child.close(force=True)


def public_sockets(runtime: Any) -> list[Path]:
    """Return the socket files that the connection file names."""
    facts = json.loads(Path(runtime["connection_file"]).read_text())
    names = ("shell", "iopub", "stdin", "control", "hb")
    return [Path(f"{facts['ip']}-{facts[f'{name}_port']}") for name in names]


def evaluate(daemon: Daemon, runtime: Any, code: str) -> str:
    """Evaluate through us, and return the text of the value."""
    done = daemon.call("execution.eval", runtime=runtime["id"], code=code, wait_s=WAIT_S)
    assert done["status"] == "done", done
    value: str = done["outputs"][-1]["data"]["text/plain"]
    return value


def is_as_it_was(daemon: Daemon, runtime: Any) -> bool:
    """Say whether it lives on, in the same process and over the same connection."""
    now = daemon.call("runtime.get", runtime=runtime["id"])
    same = ("pid", "incarnation", "connection_file", "origin")
    return now["status"] == "alive" and all(now[name] == runtime[name] for name in same)


def a_new_client_runs(runtime: Any, code: str) -> str:
    """Connect as a client that was never there, and return the text of a value."""
    client = BlockingKernelClient(connection_file=runtime["connection_file"])
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=WAIT_S)
        content = client.execute("", user_expressions={"value": code}, reply=True)["content"]
        value: str = content["user_expressions"]["value"]["data"]["text/plain"]
        return value
    finally:
        client.stop_channels()


def by_end_of_file(console: pexpect.spawn[str]) -> None:
    console.sendeof()
    console.expect_exact("Do you really want to exit")
    console.sendline("y")
    console.expect_exact("keeping kernel alive")


def by_keeping_the_kernel(console: pexpect.spawn[str]) -> None:
    console.sendline("exit(keep_kernel=True)")
    console.expect_exact("keeping kernel alive")


def by_sigkill(console: pexpect.spawn[str]) -> None:
    console.kill(signal.SIGKILL)


@pytest.mark.parametrize("leave", [by_end_of_file, by_keeping_the_kernel, by_sigkill])
def test_a_console(
    daemon: Daemon, ours: Any, console: pexpect.spawn[str], leave: Callable[..., None]
) -> None:
    console.sendline("x = 41; x + 1")
    console.expect_exact("42")
    console.expect(PROMPT)
    theirs = execution(daemon, ours, "x = 41; x + 1", "done")
    assert theirs["requested_by"]["client"] == "foreign"
    assert theirs["outputs"][-1]["data"]["text/plain"] == "42"
    assert evaluate(daemon, ours, "x") == "41"
    leave(console)
    console.expect(pexpect.EOF)
    assert evaluate(daemon, ours, "x + 2") == "43"
    assert is_as_it_was(daemon, ours)
    assert a_new_client_runs(ours, "x + 3") == "44"


def test_a_console_that_shuts_it_down(
    daemon: Daemon, ours: Any, console: pexpect.spawn[str]
) -> None:
    """A plain ``exit`` does that to any kernel, as the console says itself; so do we."""
    console.sendline("exit")
    console.expect_exact("Shutting down kernel")
    console.expect(pexpect.EOF)
    dead = adopted(daemon, Path(ours["connection_file"]), "dead", id=ours["id"])
    assert (dead["exit"]["code"], dead["exit"]["signal"]) == (0, None)
    again = daemon.call("runtime.restart", runtime=ours["id"])["runtime"]
    assert again["status"] == "alive"
    assert a_new_client_runs(again, "6 * 7") == "42"


@contextmanager
def server_of_ours(state: State, runtime: Any) -> Iterator[tuple[JupyterServer, str]]:
    """Run a Jupyter server that is let at our kernels, and name ours as it does."""
    directory = os.path.dirname(runtime["connection_file"])
    options = (
        "--ServerApp.allow_external_kernels=True",
        f"--ServerApp.external_connection_dir={directory}",
    )
    with running_jupyter_server(state, *options) as server:
        (listed,) = server.kernels()
        assert listed["name"] == "python3"
        yield server, listed["id"]


def names_bound_by(process: psutil.Process) -> set[str]:
    return {found.laddr for found in process.net_connections(kind="unix")}


def kill_keeper(daemon: Daemon) -> None:
    keeper = daemon.call("daemon.status")["keeper_pid"]
    os.kill(keeper, signal.SIGKILL)
    until(lambda: daemon.call("daemon.status")["keeper_pid"] not in (None, keeper), "a keeper")


def inodes(runtime: Any) -> list[int]:
    return [path.stat().st_ino for path in public_sockets(runtime) if path.exists()]


def test_a_jupyter_server(state: State, daemon: Daemon, ours: Any) -> None:
    """It lists and uses what is not its own, and leaves that alone when it ends.

    Who deletes a session, or the kernel, has it off the server's list; the kernel lives on.
    """
    before = inodes(ours)
    with server_of_ours(state, ours) as (server, kernel_id):
        with server.connect(kernel_id) as socket:
            parent = socket.execute("x = 41; x + 1")
            shown = socket.wait_for("execute_result", parent)
            assert shown["content"]["data"]["text/plain"] == "42"
        theirs = execution(daemon, ours, "x = 41; x + 1", "done")
        assert theirs["requested_by"] == {
            "client": "foreign",
            "pid": None,
            "agent": None,
            "session": socket.session_id,
        }
        kernel = {"id": kernel_id}
        notebook = {"path": "n.ipynb", "name": "", "type": "notebook", "kernel": kernel}
        session = server.request("POST", "api/sessions", notebook)
        server.request("DELETE", f"api/sessions/{session['id']}")
        assert kernel_id not in [each["id"] for each in server.kernels()]
        assert evaluate(daemon, ours, "x + 2") == "43"
        assert is_as_it_was(daemon, ours)
    assert inodes(ours) == before
    assert len(daemon.call("runtime.list", all=True)) == 1
    assert evaluate(daemon, ours, "x + 3") == "44"
    assert is_as_it_was(daemon, ours)
    assert a_new_client_runs(ours, "x + 4") == "45"


def test_a_jupyter_server_that_restarts_it(state: State, daemon: Daemon, ours: Any) -> None:
    """It cannot: it deletes the socket files and starts another kernel at their names.

    It answers 500, and so it does to an interrupt. The names are ours, and we take them back.
    """
    before, names = inodes(ours), {str(path) for path in public_sockets(ours)}
    evaluate(daemon, ours, "x = 41; x")
    with server_of_ours(state, ours) as (server, kernel_id):
        for verb in ("interrupt", "restart"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                server.request("POST", f"api/kernels/{kernel_id}/{verb}", {})
            assert refused.value.code == 500
            refused.value.close()
        (stranger,) = psutil.Process(server.pid).children()
        try:
            until(lambda: names_bound_by(stranger) >= names, "the stranger at our names")
            until(lambda: inodes(ours) == before, "our names")
            assert a_new_client_runs(ours, "x + 1") == "42"
            assert evaluate(daemon, ours, "x + 2") == "43"
            kill_keeper(daemon)
            assert evaluate(daemon, ours, "x + 3") == "44"
        finally:
            # Told to end in order it would wait for ever: that is its affair.
            server.process.kill()
            server.process.wait()
            stranger.terminate()
            stranger.wait(WAIT_S)
    assert evaluate(daemon, ours, "x + 4") == "45"
    until(lambda: inodes(ours) == before, "our names, which the stranger removed at its end")
    now = daemon.call("runtime.get", runtime=ours["id"])
    assert (now["status"], now["pid"]) == ("alive", ours["pid"])
    assert a_new_client_runs(ours, "x + 5") == "46"


def test_a_client_killed_in_the_middle_of_its_question(daemon: Daemon, ours: Any) -> None:
    """The kernel waits for who is gone; an interrupt of the runtime frees it."""
    code = "x = 41\ninput('theirs? ')"
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, ours["connection_file"], code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "theirs? \n"
        client.kill()
    assert execution(daemon, ours, code, "running")["outputs"] == []
    waiting = daemon.call("execution.submit", runtime=ours["id"], code="x + 1")["id"]
    assert daemon.call("execution.get", execution=waiting)["status"] == "queued"
    assert daemon.call("runtime.interrupt", runtime=ours["id"])["ended"]
    execution(daemon, ours, code, "interrupted")
    assert evaluate(daemon, ours, "x") == "41"
    assert daemon.call("execution.get", execution=waiting)["status"] == "done"
    assert is_as_it_was(daemon, ours)
    assert a_new_client_runs(ours, "x + 2") == "43"


def test_what_a_client_tidies_away_comes_back(daemon: Daemon, ours: Any) -> None:
    """jupyter_client removes the socket files of an ipc kernel that it has only connected to."""
    client = BlockingKernelClient(connection_file=ours["connection_file"])
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=WAIT_S)
    client.execute("x = 41", reply=True)
    sockets = public_sockets(ours)
    client.stop_channels()
    client.cleanup_ipc_files()
    Path(ours["connection_file"]).unlink()
    assert evaluate(daemon, ours, "x + 1") == "42"
    until(lambda: os.path.exists(ours["connection_file"]), "the connection file")
    until(lambda: all(path.exists() for path in sockets), "the socket files")
    assert public_sockets(ours) == sockets
    assert a_new_client_runs(ours, "x + 2") == "43"
    assert evaluate(daemon, ours, "x + 3") == "44"
    assert is_as_it_was(daemon, ours)
