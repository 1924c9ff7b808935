"""The command line on kernels that others started, and on what is recorded of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.harness.shell import SHORT_ID
from tests.process.daemon.adoption.waiting import adopted, execution, until

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State
    from tests.harness.foreign import KernelNamed
    from tests.harness.jupyter_server import JupyterServer


def rows(text: str) -> list[dict[str, str]]:
    """Return what `runt` listed to a pipe."""
    header, *lines = [line.split("\t") for line in text.splitlines()]
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_what_others_started_is_listed_and_announced_once(
    daemon: Daemon, runt: Runt, kernel_named: KernelNamed
) -> None:
    kernel = kernel_named("python3")
    adopted(daemon, kernel.connection_file)
    for form in ("-q", "--json"):
        assert runt("ps", form).stderr == ""
    first = runt("ps")
    assert first.stderr.startswith("runt: what runs in kernels that others started is recorded")
    assert "`runt record off`" in first.stderr
    (shown,) = rows(first.stdout)
    assert (shown["Kernel Name"], shown["Language"], shown["State"]) == (
        *("python3", "python", "alive"),
    )
    assert shown["Owner"].endswith(f"({kernel.owner.pid})")
    assert runt("ps").stderr == ""
    assert rows(runt("ps", "--origin", "launched").stdout) == []


def test_hands_off_unless_forced(daemon: Daemon, runt: Runt, kernel_named: KernelNamed) -> None:
    kernel = kernel_named("python3")
    id = adopted(daemon, kernel.connection_file)["short_id"]
    for verb in ("stop", "kill"):
        refused = runt(verb, id)
        assert (refused.returncode, refused.stdout) == (4, "")
        assert f"`runt {verb} --force {id}`" in refused.stderr
    for words in (["restart"], ["restart", "--force"]):
        nobody = runt(*words, id)
        assert nobody.returncode == 4
        assert "no Jupyter server" in nobody.stderr
        assert f"(pid {kernel.owner.pid})" in nobody.stderr
    assert runt("eval", "-r", id, "40 + 2").stdout == "42\n"
    assert re.fullmatch(rf"stopped {id}( \(\w+\))?\n", runt("stop", "--force", id).stdout)
    (dead,) = rows(runt("ps", "--all").stdout)
    assert dead["State"] == "dead (shut down)"
    (row,) = rows(runt("history", "-r", kernel.connection_file.name).stdout)
    assert row["Code"] == "40 + 2"
    (pruned,) = rows(runt("prune").stdout)
    assert pruned["Why"] == "the kernel was asked to shut down, and did"


def test_the_history_of_a_notebook(
    daemon: Daemon, runt: Runt, jupyter_server: JupyterServer
) -> None:
    session = jupyter_server.create_session("notebook.ipynb")
    runtime = adopted(daemon, session.connection_file)
    with jupyter_server.connect(session) as socket:
        socket.run("x = 1\nprint(x)")
    until(lambda: owner(daemon, runtime), "the owner")
    runt("eval", "-r", runtime["id"], "x + 1")
    execution(daemon, runtime, "x = 1\nprint(x)", "done")
    (listed,) = rows(runt("ps").stdout)
    assert listed["Owner"].endswith("notebook.ipynb")
    ours, theirs = rows(runt("history", "--runtime", "notebook.ipynb").stdout)
    assert (ours["Who"], ours["Status"], ours["Code"]) == ("you", "done", "x + 1")
    assert (theirs["Who"], theirs["Status"], theirs["Code"]) == ("foreign", "done", "x = 1 …")
    assert runt("output", theirs["ID"]).stdout == "1\n"
    again = runt("restart", "--force", runtime["short_id"])
    assert again.stdout == f"restarted {runtime['short_id']} (by its Jupyter server)\n"
    assert runt("eval", "-r", runtime["id"], "x").returncode == 1


def owner(daemon: Daemon, runtime: dict[str, Any]) -> Any:
    return (daemon.call("runtime.get", runtime=runtime["id"])["owner"] or {}).get("path")


def test_recording_ends_and_is_forgotten(
    daemon: Daemon, runt: Runt, state: State, kernel_named: KernelNamed
) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    id, theirs = runtime["short_id"], kernel.client()
    theirs.execute("'kept'", reply=True)
    execution(daemon, runtime, "'kept'", "done")
    off = runt("record", "off", "--dir", str(state.project))
    assert off.stdout.splitlines()[1:] == [f"recording of {id}: off"]
    theirs.execute("'not kept'", reply=True)
    assert runt("eval", "-r", id, "'ours'").stdout == "'ours'\n"
    assert [row["Code"] for row in rows(runt("history").stdout)] == ["'ours'", "'kept'"]
    assert runt("forget", id).returncode == 2
    assert runt("forget", id, "--yes", "--since", "0s").stdout == f"forgot 0 executions of {id}\n"
    assert runt("forget", id, "--yes", "--since", "1h").stdout == f"forgot 2 executions of {id}\n"
    assert rows(runt("history").stdout) == []


def test_recording_is_off_everywhere(daemon: Daemon, runt: Runt, kernel_named: KernelNamed) -> None:
    assert runt("record", "off").stdout == "recording everywhere: off\n"
    runtime = adopted(daemon, kernel_named("python3").connection_file)
    assert runtime["record"] == "off"
    listed = runt("ps", "--wide")
    assert rows(listed.stdout)[0]["Record"] == "off"
    assert listed.stderr == ""


def test_pruning_takes_the_dead_and_leaves_the_living(
    daemon: Daemon, runt: Runt, kernel_named: KernelNamed
) -> None:
    dead, living = kernel_named("python3"), kernel_named("python3")
    gone = adopted(daemon, dead.connection_file)
    adopted(daemon, living.connection_file)
    dead.kill()
    status = ["runtime.get", json.dumps({"runtime": gone["id"]})]
    until(lambda: json.loads(runt("call", *status).stdout)["status"] == "dead", "its end")
    would = runt("prune", "--dry-run")
    assert [row["ID"] for row in rows(would.stdout)] == [gone["short_id"]]
    assert would.stderr == "runt: 1 would be removed\n"
    assert runt("prune", "-q").stdout == f"{gone['short_id']}\n"
    assert len(rows(runt("ps", "--all").stdout)) == 1
    assert not dead.connection_file.exists()
    assert living.connection_file.exists()
    assert runt("prune").stderr == "runt: nothing was to be removed\n"


# -- interrupts and variables, of our own


def test_what_catches_its_interrupt_goes_on(daemon: Daemon, runt: Runt) -> None:
    code = (
        "import time\nprint('on', flush=True)\n"
        "while True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass"
    )
    id = runt("submit", code).stdout.strip()
    until(lambda: runt("output", id).stdout == "on\n", "its beginning")
    interrupted = runt("interrupt", id, "--wait", "0.5")
    assert (interrupted.returncode, interrupted.stdout) == (4, "")
    said = re.fullmatch(
        rf"runt: {id}: the interrupt was delivered \(signal\) and has not taken effect after 0.5 s"
        rf": .*`runt kill ({SHORT_ID})`\n",
        interrupted.stderr,
    )
    assert said, interrupted.stderr
    assert runt("kill", said[1]).returncode == 0
    assert runt("wait", id).returncode == 8
    assert rows(runt("ps", "--all").stdout)[0]["State"] == "dead (SIGKILL)"


def test_variables_of_the_project(daemon: Daemon, runt: Runt) -> None:
    assert runt("vars").returncode == 3
    runt("eval", "x = 41; text = 'y' * 1000")
    found = {row["Name"]: row for row in rows(runt("vars").stdout)}
    assert (found["x"]["Type"], found["x"]["Value"]) == ("int", "41")
    assert (found["text"]["Type"], found["text"]["Shape"]) == ("str", "1000")
    assert len(rows(runt("ps").stdout)) == 1
