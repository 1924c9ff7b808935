"""What a kernel says of code that a prompt holds: also while it computes, and never after long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from runtimed.model.text import without_ansi
from tests.harness.foreign import kernel_environment
from tests.process.daemon.story import final, wait_for_status

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon


def start(daemon: Daemon, kernel: str) -> str:
    env = kernel_environment(daemon.state)
    started: str = daemon.call("runtime.start", kernel_name=kernel, env=env)["id"]
    return started


def submit(daemon: Daemon, runtime: str, code: str) -> str:
    submitted: str = daemon.call("execution.submit", runtime=runtime, code=code)["id"]
    return submitted


def ask(daemon: Daemon, verb: str, runtime: str, code: str, **more: Any) -> Any:
    """Ask with all the patience that a loaded machine may take."""
    return daemon.call(f"runtime.{verb}", runtime=runtime, code=code, wait_s=60, **more)


def texts(found: dict[str, Any]) -> list[str]:
    return [match["text"] for match in found["matches"]]


def test_python_idle_and_busy(daemon: Daemon) -> None:
    runtime = start(daemon, "python3")
    final(daemon, submit(daemon, runtime, "ñandú_count = 1\ndef double(x):\n    'Twice x.'"))
    answer_questions(daemon, runtime)
    running = submit(daemon, runtime, "import time; time.sleep(600)")
    wait_for_status(daemon, running, "running")
    answer_questions(daemon, runtime)  # in a subshell
    assert daemon.call("execution.get", execution=running)["status"] == "running"
    daemon.call("execution.interrupt", execution=running)
    # Nothing of it is an execution, counted or recorded.
    assert final(daemon, submit(daemon, runtime, "1"))["execution_count"] == 3
    assert len(daemon.call("execution.list", runtime=runtime)) == 3


def answer_questions(daemon: Daemon, runtime: str) -> None:
    """Positions are those of characters, wherever bytes or UTF-16 would count otherwise."""
    code = "'\N{GRINNING FACE}'; ñand"
    found = ask(daemon, "complete", runtime, code + "; 1", cursor=len(code))
    assert texts(found) == ["ñandú_count"]
    assert (found["start"], found["end"], found["total"]) == (5, 9, 1)
    found = ask(daemon, "complete", runtime, "doub")
    assert found["matches"][0]["text"] == "double"
    assert found["matches"][0]["type"] == "function"
    assert texts(ask(daemon, "complete", runtime, "nothing_is_called_so")) == []

    told = ask(daemon, "inspect", runtime, "double(1)", cursor=3)
    assert told["found"]
    assert "Twice x." in told["data"]["text/plain"]
    source = ask(daemon, "inspect", runtime, "double", detail=1)
    assert "def double(x):" in without_ansi(source["data"]["text/plain"])
    missing = ask(daemon, "inspect", runtime, "nothing_is_called_so")
    assert (missing["found"], missing["data"]) == (False, {})

    def whole(code: str) -> tuple[str, str]:
        answer = ask(daemon, "is_complete", runtime, code)
        return answer["status"], answer["indent"]

    assert whole("1 + 1") == ("complete", "")
    assert whole("for i in range(3):") == ("incomplete", "    ")
    assert whole("1 +") == ("invalid", "")


def test_a_kernel_without_subshells_says_that_it_is_busy(daemon: Daemon) -> None:
    runtime = start(daemon, "bash")
    final(daemon, submit(daemon, runtime, "gnu_and_gnat=1"))
    assert "$gnu_and_gnat" in texts(ask(daemon, "complete", runtime, "$gnu_"))
    assert ask(daemon, "is_complete", runtime, "ls")["status"] == "unknown"
    running = submit(daemon, runtime, "sleep 600")
    wait_for_status(daemon, running, "running")
    for method in ("complete", "inspect", "is_complete"):
        with pytest.raises(CallFailed) as caught:
            daemon.call(f"runtime.{method}", runtime=runtime, code="ls")
        assert caught.value.name == "KernelBusy"
    daemon.call("runtime.kill", runtime=runtime)
    with pytest.raises(CallFailed) as caught:
        ask(daemon, "complete", runtime, "ls")
    assert caught.value.name == "RuntimeDead"


def test_deno_answers_as_its_protocol_says(daemon: Daemon) -> None:
    runtime = start(daemon, "deno")
    final(daemon, submit(daemon, runtime, "const quokka = 1"))
    assert texts(ask(daemon, "complete", runtime, "quok")) == ["quokka"]
    assert ask(daemon, "is_complete", runtime, "if (1) {")["status"] != ""
