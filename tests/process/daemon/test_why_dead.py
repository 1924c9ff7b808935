"""Why a kernel died: on the runtime, and on every execution that died with it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.daemon.story import final, note, wait_for, wait_for_output, words

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon

#: To its original stderr, as a C library would: what ipykernel captures dies with it.
SAYS = "import os, sys\nos.write(sys.stderr._original_stdstream_copy, {!r})\n"
BEGUN = "print('begun', flush=True)\n"


@pytest.fixture
def runtime(daemon: Daemon) -> str:
    # With this variable ipykernel leaves its stderr as it is.
    env = {name: value for name, value in daemon.env.items() if name != "PYTEST_CURRENT_TEST"}
    started: str = daemon.call("runtime.start", kernel_name="python3", env=env)["id"]
    return started


def dies(daemon: Daemon, runtime: str, code: str) -> tuple[Any, Any]:
    """Let the code end the kernel; return the execution and how the runtime ended."""
    go = daemon.state.project / "go"
    waits = f"import os\nwhile not os.path.exists({str(go)!r}): pass\n"
    dying = daemon.call("execution.submit", runtime=runtime, code=BEGUN + waits + code)["id"]
    wait_for_output(daemon, dying, "begun")
    truth = daemon.state.project / "truth"
    queued = daemon.call("execution.submit", runtime=runtime, code=note(truth, "ran"))["id"]
    go.touch()
    died = final(daemon, dying)
    cancelled = final(daemon, queued)
    assert died["status"] == "kernel_died"
    assert (cancelled["status"], cancelled["reason"]) == ("cancelled", died["reason"])
    assert words(truth) == []
    dead = daemon.call("runtime.get", runtime=runtime)
    assert (dead["status"], dead["pid"]) == ("dead", None)
    (listed,) = daemon.call("runtime.list", all=True)
    assert listed["exit"] == dead["exit"]
    return died, dead["exit"]


def test_it_left_by_itself(daemon: Daemon, runtime: str) -> None:
    died, exit_ = dies(daemon, runtime, "os._exit(3)")
    assert exit_ == {"code": 3, "signal": None, "reason": "exit", "stderr": []}
    assert died["reason"] == "the kernel exited with status 3"


def test_it_crashed(daemon: Daemon, runtime: str) -> None:
    died, exit_ = dies(daemon, runtime, "import ctypes\nctypes.string_at(0)")
    assert (exit_["code"], exit_["signal"], exit_["reason"]) == (None, signal.SIGSEGV, "signal")
    assert died["reason"] == (
        "the kernel was ended by SIGSEGV; its last words: Fatal Python error: Segmentation fault"
    )
    assert exit_["stderr"][0] == "Fatal Python error: Segmentation fault"
    assert any("in string_at" in line for line in exit_["stderr"])
    assert len(exit_["stderr"]) <= 20


@pytest.mark.parametrize(
    "code", ["import os; os._exit(3)", "import ctypes; ctypes.string_at(0)"], ids=["exit", "crash"]
)
def test_it_ended_with_the_first_thing_that_it_did(daemon: Daemon, runtime: str, code: str) -> None:
    """It said that it began, so what became of the code is not in doubt."""
    died = daemon.call("execution.eval", runtime=runtime, code=code, wait_s=60)
    assert (died["status"], died["gap"]) == ("kernel_died", None)
    assert died["execution_started"] is not None


def test_it_aborted_as_programs_in_cpp_do(daemon: Daemon, runtime: str) -> None:
    said = b"terminate called after throwing an instance of 'std::runtime_error'\n  what():  boom\n"
    died, exit_ = dies(daemon, runtime, SAYS.format(said) + "os.abort()")
    assert (exit_["signal"], exit_["stderr"][1]) == (signal.SIGABRT, "  what():  boom")
    assert died["reason"].startswith("the kernel was ended by SIGABRT; its last words: terminate")
    assert "what():  boom" in died["reason"]
    assert "\n" not in died["reason"]


def test_it_was_killed_from_outside(daemon: Daemon, runtime: str) -> None:
    pid = daemon.call("runtime.get", runtime=runtime)["pid"]
    died, exit_ = dies(daemon, runtime, f"os.kill({pid}, 9)")
    assert (exit_["signal"], exit_["reason"]) == (signal.SIGKILL, "signal")
    assert died["reason"] == "the kernel was ended by SIGKILL"


def test_what_it_wrote_is_bounded(daemon: Daemon, runtime: str) -> None:
    said = b"".join(b"line %d " % i + b"x" * 1000 + b"\n" for i in range(500))
    died, exit_ = dies(daemon, runtime, SAYS.format(said) + "os._exit(1)")
    assert died["reason"] == "the kernel exited with status 1"
    assert sum(map(len, exit_["stderr"])) <= 4096
    assert exit_["stderr"][-1].startswith("line 499 ")


def test_its_last_words_outlive_the_daemon_and_a_restart_begins_anew(
    daemon: Daemon, runtime: str
) -> None:
    """The daemon is away when it dies, and learns from the journal why."""
    truth = daemon.state.project / "truth"
    code = SAYS.format(b"fatal: no more\n") + f"{note(truth, 'on')}\nimport time; time.sleep(600)"
    dying = daemon.call("execution.submit", runtime=runtime, code=code)["id"]
    wait_for(truth, "on")
    pid = daemon.call("runtime.get", runtime=runtime)["pid"]
    daemon.kill()
    os.kill(pid, signal.SIGKILL)
    daemon.start()
    died = final(daemon, dying)
    assert died["reason"] == "the kernel was ended by SIGKILL; its last words: fatal: no more"
    again = daemon.call("runtime.restart", runtime=runtime)
    assert (again["how"], again["runtime"]["exit"]) == ("already_dead", None)
    stopped = daemon.call("runtime.kill", runtime=runtime)["runtime"]
    assert stopped["exit"]["stderr"] == []


def test_last_words_of_a_crash_begin_with_what_it_was() -> None:
    from runtimed.kernels.reasons import telling_lines

    text = "before\n" * 50 + "why\nFatal Python error: Aborted\n" + "  File x\n" * 100
    lines = telling_lines(text)
    assert len(lines) == 20
    assert lines[4:6] == ["why", "Fatal Python error: Aborted"]
    assert telling_lines("") == []


REPLAYED = """\
[IPKernelApp] ERROR | Invalid Message
Traceback (most recent call last):
  File "ipykernel/kernelbase.py", line 448, in dispatch_shell
    msg = self.session.deserialize(msg, content=True, copy=False)
          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "jupyter_client/session.py", line 1071, in deserialize
    raise ValueError(msg)
ValueError: Duplicate Signature: b'1b1a88a3b2'
"""


def test_that_a_message_came_twice_is_not_what_a_kernel_died_of() -> None:
    from runtimed.kernels.reasons import telling_lines

    assert telling_lines(f"{REPLAYED}{REPLAYED}") == []
    assert telling_lines(f"before\n{REPLAYED}after\n") == ["before", "after"]
    another = REPLAYED.replace("Duplicate Signature: ", "Invalid Signature: ")
    assert telling_lines(f"{another}{REPLAYED}") == another.splitlines()


def test_what_a_log_has_of_a_reason() -> None:
    from runtimed.kernels.reasons import describe_end, without_last_words

    ended = {"signal": 11, "stderr": ["ValueError: my secret"]}
    assert "secret" in describe_end(ended)
    assert without_last_words(describe_end(ended)) == "the kernel was ended by SIGSEGV"


def test_out_of_memory_is_told() -> None:
    from runtimed.kernels.reasons import describe_exit, exit_of

    killed = exit_of({"code": None, "signal": 9, "reason": "signal", "oom": True, "pid": 1})
    assert (killed["reason"], killed["signal"]) == ("oom", 9)
    assert "memory" in describe_exit(killed)
    other = exit_of({"code": None, "signal": 9, "reason": "signal", "oom": False})
    assert other["reason"] == "signal"


def test_what_was_started_again_at_once_keeps_its_connection(daemon: Daemon, runtime: str) -> None:
    """Nothing that the one before had yet in mind is done to it, a second after that ended."""
    dies(daemon, runtime, "os._exit(3)")
    daemon.call("runtime.restart", runtime=runtime)
    code = "import time; time.sleep(1.5); 'there'"
    assert daemon.call("execution.eval", runtime=runtime, code=code)["status"] == "done"
    assert daemon.call("runtime.get", runtime=runtime)["incarnation"] == 2
