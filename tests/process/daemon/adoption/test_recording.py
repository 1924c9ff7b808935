"""What is kept of what others run: all of it, unless somebody says otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.adoption.waiting import adopted, execution, until
from tests.process.daemon.story import files_that_name, text

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State
    from tests.harness.foreign import KernelNamed

SECRET = "cormorant-4711"


def test_metadata_keeps_neither_code_nor_output(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    told = daemon.call("runtime.record", runtime=runtime["id"], record="metadata")
    assert [(each["id"], each["record"]) for each in told] == [(runtime["id"], "metadata")]
    theirs = kernel.client()
    theirs.execute(f"print('{SECRET}')\n'{SECRET}'", reply=True)
    theirs.execute(f"raise ValueError('{SECRET}')", reply=True)
    found = until(lambda: _final(daemon, runtime, 2), "two executions")
    assert [(each["status"], each["code"]) for each in found] == [("error", ""), ("done", "")]
    for each in found:
        assert daemon.call("execution.get", execution=each["id"])["outputs"] == []
        assert each["execution_started"]
        assert each["execution_end"]
        with pytest.raises(CallFailed, match="its code was not recorded"):
            daemon.call("execution.rerun", execution=each["id"])
    ours = daemon.call("execution.eval", runtime=runtime["id"], code="print('ours')")
    assert (ours["code"], text(ours)) == ("print('ours')", "ours\n")
    assert files_that_name(state.dir, SECRET) == []


def test_off_keeps_nothing_and_ours_waits_all_the_same(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    daemon.call("runtime.record", runtime=runtime["id"], record="off")
    go = state.project / "go"
    theirs = kernel.client()
    theirs.execute(f"import os\n'{SECRET}'\nwhile not os.path.exists({str(go)!r}): pass")
    until(lambda: _get(daemon, runtime)["activity"] == "busy", "the kernel's work")
    waiting = daemon.call("execution.submit", runtime=runtime["id"], code="1")["id"]
    assert daemon.call("execution.cancel", execution=waiting)["status"] == "cancelled"
    go.touch()
    until(lambda: _get(daemon, runtime)["activity"] == "idle", "the end of its work")
    listed = daemon.call("execution.list", runtime=runtime["id"])
    assert [each["id"] for each in listed] == [waiting]
    assert files_that_name(state.dir, SECRET) == []
    daemon.call("runtime.record", runtime=runtime["id"], record="all")
    theirs.execute("'again'", reply=True)
    execution(daemon, runtime, "'again'", "done")


def test_a_directory_is_a_rule_for_what_works_in_it(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    private = state.project / "private"
    (private / "below").mkdir(parents=True)
    there = kernel_named("python3", cwd=private / "below")
    runtime = adopted(daemon, there.connection_file)
    told = daemon.call("runtime.record", directory=str(private), record="off")
    assert [each["id"] for each in told] == [runtime["id"]]
    later = kernel_named("python3", cwd=private)
    assert adopted(daemon, later.connection_file)["record"] == "off"
    elsewhere = kernel_named("python3")
    assert adopted(daemon, elsewhere.connection_file)["record"] == "all"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"record": "off"}, "a runtime or a directory"),
        ({"record": "off", "runtime": "x", "directory": "/"}, "a runtime or a directory"),
        ({"record": "off", "directory": "relative"}, "must be absolute"),
        ({"record": "some", "directory": "/"}, "record"),
    ],
)
def test_what_makes_no_sense_is_refused(daemon: Daemon, params: dict[str, str], why: str) -> None:
    with pytest.raises(CallFailed) as refused:
        daemon.call("runtime.record", **params)
    assert why in str(refused.value)


def test_what_is_forgotten_is_nowhere(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    theirs = kernel.client()
    theirs.execute("'kept before'", reply=True)
    kept = execution(daemon, runtime, "'kept before'", "done")
    shown = f"print('{SECRET}')\nfrom IPython.display import HTML\nHTML('{SECRET}' * 100_000)"
    theirs.execute(shown, reply=True)
    known = execution(daemon, runtime, shown, "done")
    assert files_that_name(state.dir, SECRET)
    forgotten = daemon.call("runtime.forget", runtime=runtime["id"], since=known["queued_at"])
    assert forgotten == {"executions": 1, "blobs": 1, "notices": []}
    assert files_that_name(state.dir, SECRET) == []
    assert [each["id"] for each in daemon.call("execution.list", runtime=runtime["id"])] == [
        kept["id"]
    ]
    theirs.execute("'after'", reply=True)
    execution(daemon, runtime, "'after'", "done")
    assert daemon.call("runtime.forget", runtime=runtime["id"])["executions"] == 2
    assert daemon.call("execution.list", runtime=runtime["id"]) == []
    kernel.kill()
    adopted(daemon, kernel.connection_file, "dead")
    assert daemon.call("runtime.forget", runtime=runtime["id"])["executions"] == 0


def test_what_ran_in_a_kernel_that_no_kernelspec_has_the_name_of_is_run_again(
    state: State, daemon: Daemon
) -> None:
    file = state.root / "jr" / "kernel-nameless.json"
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(file)]
    kernel = subprocess.Popen(
        command,
        env=state.env,
        cwd=state.project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        runtime = adopted(daemon, file)
        done = daemon.call("execution.eval", runtime=runtime["id"], code="6 * 7", wait_s=30)
    finally:
        kernel.kill()
        kernel.wait()
    adopted(daemon, file, "dead")
    again = daemon.call("execution.rerun", execution=done["id"])
    assert again["runtime"]["id"] != runtime["id"]
    (shown,) = daemon.call("execution.wait", execution=again["id"], wait_s=30)["outputs"]
    assert shown["data"]["text/plain"] == "42"


def test_what_ran_in_one_that_was_removed_is_there_until_it_is_forgotten(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    kernel.client().execute(f"'{SECRET}'", reply=True)
    known = execution(daemon, runtime, f"'{SECRET}'", "done")
    kernel.kill()
    adopted(daemon, kernel.connection_file, "dead")
    daemon.call("runtime.remove", runtime=runtime["id"])
    for reference in (runtime["id"], runtime["short_id"], kernel.connection_file.stem):
        listed = daemon.call("execution.list", runtime=reference)
        assert [each["id"] for each in listed] == [known["id"]]
    assert daemon.call("runtime.forget", runtime=runtime["id"])["executions"] == 1
    assert daemon.call("execution.list", runtime=runtime["id"]) == []
    assert files_that_name(state.dir, SECRET) == []


def test_it_is_said_once(daemon: Daemon, kernel_named: KernelNamed) -> None:
    assert daemon.call("daemon.announce") == []
    kernel = kernel_named("python3")
    adopted(daemon, kernel.connection_file)
    (said,) = daemon.call("daemon.announce")
    assert "recorded" in said
    assert daemon.call("daemon.announce") == []


def _final(daemon: Daemon, runtime: Any, count: int) -> list[Any] | None:
    found = daemon.call("execution.list", runtime=runtime["id"], status=["done", "error"])
    assert isinstance(found, list)
    return found if len(found) == count else None


def _get(daemon: Daemon, runtime: Any) -> Any:
    return daemon.call("runtime.get", runtime=runtime["id"])


def test_the_key_is_not_among_what_is_told(daemon: Daemon, kernel_named: KernelNamed) -> None:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    key = json.loads(kernel.connection_file.read_text())["key"]
    assert key not in json.dumps(runtime)
