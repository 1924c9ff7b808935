"""`runt tools`: what a program with a model without MCP has for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from tests.harness.daemon import runt
from tests.harness.mcp_client import RUNT, execution_in
from tests.harness.shell import popen, shell
from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.harness.daemon import Daemon, State

_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)
_PLOT = (
    "from IPython.display import display\n"
    f"display({{'image/png': {_PIXEL!r}, 'text/plain': 'a plot'}}, raw=True)"
)


def call(state: State, tool: str, *options: str, **arguments: Any) -> tuple[int, str, str]:
    """Call a tool of the agent ``local``; return its exit code and what it printed."""
    given = json.dumps(arguments)
    done = runt(state, "tools", "call", tool, given, "--agent", "local", *options)
    return done.returncode, done.stdout, done.stderr


def test_variables_stay_between_calls(state: State, daemon: Daemon) -> None:
    assert call(state, "start_runtime", name="mine")[0] == 0
    code, said, err = call(state, "run_code", code="x = 6 * 7\nx", runtime="mine")
    assert (code, err) == (0, "")
    assert said.splitlines()[1] == "42" and said.splitlines()[0].endswith("runtime mine")
    code, said, _ = call(state, "run_code", "--json", code="x + 1", runtime="mine")
    answer = json.loads(said)["answer"]
    assert (code, answer["is_error"], answer["status"]) == (0, False, "done")
    assert answer["blocks"][0]["type"] == "text" and "43" in answer["blocks"][0]["text"]
    by = daemon.call("execution.list", by="local")
    assert {each["requested_by"]["client"] for each in by} == {"mcp"}


def test_images_are_files_or_blocks_and_never_text(
    state: State, daemon: Daemon, shared: str, tmp_path: Path
) -> None:
    saved = str(tmp_path / "images")
    code, said, err = call(*(state, "run_code", "--save-images", saved), code=_PLOT, runtime=shared)
    path = os.path.join(saved, f"{execution_in(said)}-1.png")
    assert (code, err) == (0, f"saved {path}\n") and _PIXEL[:20] not in said
    answer = json.loads(
        call(state, "run_code", "--json", "--save-images", saved, code=_PLOT, runtime=shared)[1]
    )["answer"]
    text, image = answer["blocks"]
    assert image["type"] == "image" and image["mime"] == "image/png"
    assert _PIXEL[:20] not in text["text"] and len(answer["images"]) == 1


def test_exit_codes_are_those_of_eval(state: State, daemon: Daemon, shared: str) -> None:
    for tool, arguments, code, word in (
        ("run_code", {"code": "1/0", "runtime": shared}, 1, "ZeroDivisionError"),
        ("run_code", {"code": "import sys; sys.exit(0)", "runtime": shared}, 0, "SystemExit"),
        ("run_code", {"code": "input('Who? ')", "runtime": shared}, 124, "send_input("),
        ("run_code", {"source": "1"}, 2, "did you mean `code`?"),
        ("run_cod", {}, 2, "Did you mean run_code?"),
        ("run_code", {"code": "1", "runtime": "nosuch"}, 3, "No runtime that you may use"),
        ("get_output", {"execution": "nosuch"}, 3, "No execution that you may see"),
        ("start_runtime", {"kernel": "nosuch"}, 3, "nosuch"),
    ):
        done = call(state, tool, **arguments)
        assert (done[0], done[2]) == (code, ""), done
        assert word in done[1]
    waiting = daemon.call("execution.list", status=["waiting_input"])[0]["id"]
    code, said, _ = call(state, "send_input", execution=waiting, value="Ada")
    assert (code, "'Ada'" in said) == (0, True)
    # It shows what went wrong then: nothing goes wrong now.
    failed = daemon.call("execution.list", status=["error"])[0]["id"]
    assert call(state, "get_output", execution=failed)[0] == 0


def test_a_model_that_writes_no_json_is_told_so(state: State, daemon: Daemon) -> None:
    done = runt(state, "tools", "call", "run_code", "{'code': 1}")
    assert (done.returncode, done.stderr) == (2, "")
    assert "takes an object of named arguments" in done.stdout


def test_arguments_from_stdin_and_from_a_file(state: State, daemon: Daemon, shared: str) -> None:
    given = json.dumps({"code": "'é' * 3", "runtime": shared})
    (state.project / "call.json").write_text(given)
    for script in (
        "cat call.json | runt tools call run_code -",
        "runt tools call run_code @call.json",
    ):
        done = shell(state, script)
        assert done.returncode == 0 and "'ééé'" in done.stdout, done
    done = shell(state, "runt tools call run_code @nosuch.json")
    assert (done.returncode, done.stdout) == (3, "")


def test_read_only_and_a_named_runtime(state: State, daemon: Daemon) -> None:
    daemon.call("runtime.start", name="a-persons")
    assert "a-persons" not in call(state, "list_runtimes")[1]
    assert "a-persons" in call(state, "list_runtimes", "--runtime", "a-persons")[1]
    code, said, _ = call(state, "run_code", "--read-only", code="1")
    assert (code, "read only" in said) == (1, True)


def test_ctrl_c_interrupts_and_sigterm_leaves_it_running(
    state: State, daemon: Daemon, shared: str, tmp_path: Path
) -> None:
    def start(begun: str, file: Path) -> tuple[Any, str]:
        code = (
            f"import os, time\nprint({begun!r}, flush=True)\n"
            f"while not os.path.exists({str(file)!r}): time.sleep(0.01)"
        )
        given = json.dumps({"code": code, "runtime": shared, "wait_s": 60})
        process = popen(state, "tools", "call", "run_code", given)

        def look() -> str | None:
            for found in daemon.call("execution.list", status=["running"], limit=1):
                page = daemon.call("execution.output", execution=found["id"])
                if begun in page["lines"]:
                    return str(found["id"])
            return None

        return process, str(until(look))

    process, execution = start("to be interrupted", tmp_path / "never")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in err) == (130, False)
    ended = daemon.call("execution.wait", execution=execution, wait_s=20)
    assert ended["status"] == "interrupted"

    go = tmp_path / "go"
    process, execution = start("to be left", go)
    process.terminate()
    process.communicate(timeout=30)
    assert daemon.call("execution.get", execution=execution)["status"] == "running"
    go.touch()
    assert daemon.call("execution.wait", execution=execution, wait_s=20)["status"] == "done"


def test_schemas_are_printed_bare(state: State) -> None:
    for form in ("openai", "openai-responses", "anthropic"):
        done = runt(state, "tools", "--format", form)
        assert done.returncode == 0 and len(json.loads(done.stdout)) == 10
    assert len(json.loads(runt(state, "tools", "--json").stdout)["tools"]) == 10
    assert runt(state, "tools", "-q", "--read-only").stdout.splitlines()[0] == "get_output"
    assert "run_code" in runt(state, "tools").stdout
    done = runt(state, "tools", "--format", "anthropic", "--strict")
    assert (done.returncode, done.stdout) == (2, "")
    done = runt(state, "tools", "--json", "call", "list_runtimes")
    assert (done.returncode, "behind it" in done.stderr) == (2, True)


def test_a_daemon_that_cannot_be_started_is_for_the_person_to_look_at(state: State) -> None:
    done = subprocess.run(
        [RUNT, "tools", "call", "list_runtimes"],
        env={**state.env, "RUNTIMED_SOCKET": "/proc/nowhere/d.sock"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 5 and "`runt doctor`" in done.stdout + done.stderr
    assert "try again" not in done.stdout + done.stderr
