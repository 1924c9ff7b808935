"""Others in the same runtime, a daemon that goes, a kernel that dies."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_client.blocking.client import BlockingKernelClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon
    from tests.process.repl.conftest import Open


@contextmanager
def jupyter_client(connection_file: str) -> Iterator[BlockingKernelClient]:
    client = BlockingKernelClient(connection_file=connection_file)
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    try:
        yield client
    finally:
        client.stop_channels()


def the_runtime(daemon: Daemon) -> Any:
    (runtime,) = daemon.call("runtime.list")
    return runtime


def test_what_others_run_appears_as_it_happens(daemon: Daemon, terminal: Open, runt: Runt) -> None:
    screen = terminal("run", "python3", "--keep")
    screen.wait_for(r"^In \[1\]:$")
    runtime = the_runtime(daemon)
    screen.type("half typ")
    with jupyter_client(runtime["connection_file"]) as other:
        other.execute_interactive("print('I am foreign'); 6 * 7", output_hook=lambda _: None)
    # What is being typed stays, under the number that it would have now.
    screen.wait_for(
        r"^\[foreign\] In \[1\]: print\('I am foreign'\); 6 \* 7\n"
        r"I am foreign\nOut\[1\]: 42\nIn \[2\]: half typ$"
    )
    screen.press("C-c")
    id = runt("submit", "-r", runtime["id"], "x = input('theirs? ')").stdout.strip()
    screen.wait_for(rf"^{id} waits for input; `runt reply {id} TEXT` answers it$")
    screen.enter("x")
    screen.wait_for("^it waits for what runs already; Ctrl-C cancels it$")
    screen.press("C-c")
    screen.wait_for(r"cancelled.*\n\nIn \[3\]:$")  # ours is; theirs is left alone
    assert daemon.call("execution.get", execution=id)["status"] == "waiting_input"
    screen.press("C-d")
    screen.wait_for(r"keeps running")
    again = terminal("run", "--attach", runtime["short_id"])
    again.wait_for(r"^\[runt, pid \d+\] In \[2\]: x = input\('theirs\? '\)$")
    assert runt("reply", id, "yes").returncode == 0
    again.enter("x")
    again.wait_for(r"^Out\[3\]: 'yes'$")
    again.enter("mine = input('mine? ')")
    again.wait_for(r"^mine\?$")
    (mine,) = daemon.call("execution.list", status=["waiting_input"])
    daemon.call("execution.input", execution=mine["id"], value="answered elsewhere")
    again.wait_for(r"^In \[5\]:$")
    again.enter("mine")
    again.wait_for(r"^Out\[5\]: 'answered elsewhere'$")


def test_a_daemon_that_goes_and_comes_loses_nothing(daemon: Daemon, terminal: Open) -> None:
    screen = terminal("run", "python3")
    screen.wait_for(r"^In \[1\]:$")
    screen.enter("import time")
    screen.wait_for(r"^In \[2\]:$")
    screen.enter("for n in range(40): print('number', n); time.sleep(0.05)")
    screen.wait_for(r"^number 3$")
    daemon.kill()  # and the prompt starts the next one
    screen.wait_for(r"^number 39\n\nIn \[3\]:$")
    numbers = [line for line in screen.screen().splitlines() if line.startswith("number")]
    assert numbers == [f"number {n}" for n in range(40)]
    daemon.call("daemon.stop")
    screen.enter("'who starts it?'")
    screen.wait_for(r"^Out\[3\]: 'who starts it\?'\n\nIn \[4\]:$")
    screen.press("C-d")
    screen.wait_for(r"exited with no errors")


def test_a_kernel_that_dies_can_be_restarted(daemon: Daemon, terminal: Open) -> None:
    screen = terminal("run", "python3")
    screen.wait_for(r"^In \[1\]:$")
    screen.enter("import os; os._exit(3)")
    screen.wait_for(r"^The kernel died \(exit 3\)\..*\nRestart it\? \[Y/n\]$")
    screen.press("Enter")
    screen.wait_for(r"^Restart it\? \[Y/n\]\n\nIn \[1\]:$")
    screen.enter("6 * 7")
    screen.wait_for(r"^Out\[1\]: 42$")
    daemon.call("runtime.kill", runtime=the_runtime(daemon)["id"])  # at the prompt
    screen.wait_for(r"^The kernel died \(signal 9\)\.\nRestart it\? \[Y/n\]$")
    screen.enter("n")
    screen.wait_for(r'^Runtime "\w{8}" died \(signal 9\)\. To export a notebook')
    screen.wait_for(r"^\[exit 8\]")


def test_a_terminal_that_goes_away_leaves_the_runtime(daemon: Daemon, terminal: Open) -> None:
    screen = terminal("run", "python3")
    screen.wait_for(r"^In \[1\]:$")
    screen.enter("import time; print('begun'); time.sleep(2); done = 'all of it'")
    screen.wait_for(r"^begun$")
    screen.close()
    assert the_runtime(daemon)["status"] == "alive"
    seen = daemon.call("execution.eval", runtime=the_runtime(daemon)["id"], code="done", wait_s=60)
    assert seen["outputs"][0]["data"]["text/plain"] == "'all of it'"


def test_a_signal_detaches(daemon: Daemon, terminal: Open) -> None:
    screen = terminal("run", "python3")
    screen.wait_for(r"^In \[1\]:$")
    screen.enter("import os, time; time.sleep(600)")
    ran = daemon.call("execution.list", limit=1)
    while not ran:
        ran = daemon.call("execution.list", limit=1)
    os.kill(ran[0]["requested_by"]["pid"], signal.SIGTERM)
    screen.wait_for(r"^\[exit 143\]")
    assert the_runtime(daemon)["status"] == "alive"
