"""The kernelspec of docs/explanation/sandbox.md, in a bubblewrap, and what it keeps in."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from runtimed import host
from tests.process.daemon.executions.conftest import Repl
from tests.process.daemon.story import wait_for_status

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State

PAGE = Path(__file__).parents[4] / "docs" / "explanation" / "sandbox.md"
_TRIES = """
import os, socket
def fails(do):
    try:
        do()
    except OSError:
        return True
    return False
"""


def why_not() -> str | None:
    """Return why there can be no bubblewrap here."""
    if (program := shutil.which("bwrap")) is None:
        return "bubblewrap is not installed"
    tried = subprocess.run([program, "--unshare-all", "--ro-bind", "/", "/", "true"], check=False)
    return "no user namespaces for bubblewrap" if tried.returncode else None


@pytest.fixture(scope="module")
def sandboxed(daemon: Daemon, state: State) -> Repl:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    (text,) = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    runtime_dir = state.env["JUPYTER_RUNTIME_DIR"]
    text = text.replace("/home/me/.local/share/jupyter/runtime", runtime_dir)
    text = text.replace("/home/me", str(state.home)).replace("/usr/bin/python3", sys.executable)
    # As the page says of an environment below the home, or below /tmp.
    python = "".join(
        f'"--ro-bind", "{place}", "{place}", ' for place in (sys.base_prefix, sys.prefix)
    )
    text = text.replace('"--bind"', f'{python}"--bind"', 1)
    spec = state.home / ".local" / "share" / "jupyter" / "kernels" / "sandboxed" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps(json.loads(text)))
    (state.home / "sandbox").mkdir()
    (state.home / "key").write_text("secret")
    env = {**state.env, "TOKEN": "secret"}
    runtime = daemon.call("runtime.start", kernel_name="sandboxed", env=env)
    repl = Repl(daemon, runtime["id"])
    repl.eval(_TRIES)
    return repl


def test_it_keeps_files_variables_and_sockets_out(sandboxed: Repl, state: State) -> None:
    assert sandboxed.value("6 * 7") == "42"
    assert sandboxed.value("'key' in os.listdir(os.environ['HOME'])") == "False"
    assert sandboxed.value("'TOKEN' in os.environ") == "False"
    assert sandboxed.value("fails(lambda: open('/etc/passwd', 'a'))") == "True"
    address = repr(str(state.socket))
    connects = f"fails(lambda: socket.socket(socket.AF_UNIX).connect({address}))"
    assert sandboxed.value(connects) == "True"
    assert sandboxed.value("[i for _, i in socket.if_nameindex()]") == "['lo']"
    assert sandboxed.value("len([p for p in os.listdir('/proc') if p.isdecimal()]) < 5") == "True"
    connection_files = f"[f for f in os.listdir({state.env['JUPYTER_RUNTIME_DIR']!r})]"
    assert sandboxed.value(f"len([f for f in {connection_files} if f.endswith('json')])") == "1"


def test_what_it_writes_in_its_directory_stays(sandboxed: Repl, state: State) -> None:
    sandboxed.eval("open('here', 'w').write('kept')")
    assert (state.home / "sandbox" / "here").read_text() == "kept"


def test_it_is_interrupted_and_ended_as_any_other(daemon: Daemon, sandboxed: Repl) -> None:
    slow = sandboxed.submit("import time\nwhile True: time.sleep(0.01)")
    wait_for_status(daemon, slow, "running")
    assert daemon.call("execution.interrupt", execution=slow)["ended"]
    assert sandboxed.get(slow)["status"] == "interrupted"
    assert sandboxed.value("1 + 1") == "2"
    assert daemon.call("runtime.stop", runtime=sandboxed.id)["how"] == "shutdown_request"


def test_what_is_killed_leaves_nothing_in_there(daemon: Daemon, sandboxed: Repl) -> None:
    """Without --die-with-parent, with which it would not outlive the keeper, it is ours to end."""
    runtime = daemon.call("runtime.start", kernel_name="sandboxed")
    mark = f"in-the-sandbox-{runtime['id']}"
    code = "import subprocess, sys\n"
    code += f"subprocess.Popen([sys.executable, '-c', 'input()', '{mark}'], stdin=-1).pid > 0"
    assert Repl(daemon, runtime["id"]).value(code) == "True"
    inside = [psutil.Process(pid) for pid in host.pids() if mark in host.arguments_of(pid)]
    assert inside
    daemon.call("runtime.kill", runtime=runtime["id"])
    # The system ends them with the first process in there, and not at once.
    _, alive = psutil.wait_procs(inside, timeout=60)
    assert alive == []
    assert "--die-with-parent" not in re.findall(r"```json\n.*?```", PAGE.read_text(), re.DOTALL)[0]
