"""A look into the kernel: beside what it computes, and with no code of the user's."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.harness.foreign import kernel_environment
from tests.kernels.snippets import SNIPPETS
from tests.process.daemon.story import final, text, wait_for_output, wait_for_status

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon

#: Whatever is asked of it, it hangs.
HANGS = """
class Meta(type):
    def __eq__(cls, other):
        while True: pass
    def __hash__(cls):
        while True: pass
    def __getattribute__(cls, name):
        while True: pass
class Hangs(metaclass=Meta):
    def __repr__(self):
        while True: pass
    def __getattribute__(self, name):
        while True: pass
    __len__ = __str__ = __dir__ = __sizeof__ = __repr__
class List(list):
    __len__ = __iter__ = __repr__ = lambda self: exec("while True: pass")
"""


@pytest.fixture
def runtime(daemon: Daemon) -> str:
    return start(daemon)


def start(daemon: Daemon, kernel: str = "python3") -> str:
    env = kernel_environment(daemon.state)
    started: str = daemon.call("runtime.start", kernel_name=kernel, env=env)["id"]
    return started


def run(daemon: Daemon, runtime: str, code: str) -> Any:
    done = daemon.call("execution.eval", runtime=runtime, code=code, wait_s=60)
    assert done["status"] == "done", done
    return done


def look(daemon: Daemon, runtime: str) -> dict[str, Any]:
    """Return the variables by name, each without what it has not."""
    found = daemon.call("runtime.variables", runtime=runtime)
    assert found["runtime"] == runtime
    return {
        each.pop("name"): {name: value for name, value in each.items() if value is not None}
        for each in found["variables"]
    }


def test_what_is_shown(daemon: Daemon, runtime: str) -> None:
    assert look(daemon, runtime) == {}
    run(daemon, runtime, "import sys\nn = 2 ** 40\nnested = [1, (2, {'k': [3]})]\n_private = 1")
    run(daemon, runtime, "text = 'x' * 1000\ndef double(x): return 2 * x\nIn = 'mine'")
    found = look(daemon, runtime)
    assert list(found) == ["sys", "n", "nested", "text", "double", "In"] or set(found) == {
        *("sys", "n", "nested", "text", "double", "In")
    }
    assert found["n"] == {"type": "int", "repr": str(2**40), "size_bytes": 32}
    assert found["nested"]["repr"] == "[1, (2, {…})]"
    assert (found["nested"]["length"], found["text"]["length"]) == (2, 1000)
    assert found["text"]["size_bytes"] == 1049
    assert len(found["text"]["repr"]) <= 120
    assert found["double"]["repr"] == "<function double>"
    assert found["sys"]["repr"] == "<module sys>"


@pytest.mark.parametrize(
    "code",
    [
        "exec = globals = __import__ = type = getattr = 1",
        "import sys\nsys.modules['json'] = sys.modules['threading'] = None",
    ],
    ids=["names", "modules"],
)
def test_whatever_the_user_has_made_of_built_in_names(
    daemon: Daemon, runtime: str, code: str
) -> None:
    run(daemon, runtime, code)
    run(daemon, runtime, "word = 'h\u00e9 \U0001f600'")
    assert look(daemon, runtime)["word"]["repr"] == "'h\u00e9 \U0001f600'"


def test_it_leaves_nothing(daemon: Daemon, runtime: str) -> None:
    """No name, no history, no output, no hook of the user's, no thread."""
    run(
        daemon,
        runtime,
        "hooked = []\nget_ipython().events.register('post_execute', lambda: hooked.append(1))",
    )
    count = "import sys, threading\nprint(len(hooked), sorted(globals()), len(In), "
    count += "sorted(vars(sys)), threading.active_count(), get_ipython().execution_count)"
    before = text(run(daemon, runtime, count))
    for _ in range(3):
        look(daemon, runtime)
    after = text(run(daemon, runtime, count))

    def less(said: str) -> list[str]:
        numbers = {"_i", "_ii", "_iii", "_i1", "_i2", "_i3", "_i4", "_oh", "_dh", "__", "_"}
        words = said.replace(",", " ").replace("'", " ").split()
        return [word for word in words if word not in numbers and not word.isdigit()]

    assert less(after) == less(before)
    executions = daemon.call("execution.list", runtime=runtime)
    assert len(executions) == 3
    # One for each execution of ours, and none for a look: hooks saw the two before this one.
    assert before.split()[0] == "1"
    assert after.split()[0] == "2"


@pytest.mark.parametrize("busy", [False, True])
def test_no_code_of_the_users_is_run(daemon: Daemon, runtime: str, busy: bool) -> None:
    run(daemon, runtime, HANGS)
    values = "a = Hangs()\nb = [Hangs(), List()]\nc = {'k': Hangs()}\nd = List([1])\ne = Hangs"
    run(daemon, runtime, values)
    if busy:
        code = "print('begun', flush=True)\nwhile True: pass"
        cell = daemon.call("execution.submit", runtime=runtime, code=code)["id"]
        wait_for_output(daemon, cell, "begun")
    found = look(daemon, runtime)
    assert found["a"] == {"type": "Hangs", "repr": "<Hangs object>"}
    assert found["b"]["repr"] == "[<Hangs object>, <List object>]"
    assert found["c"]["repr"] == "{'k': <Hangs object>}"
    assert found["d"] == {"type": "List", "repr": "<List object>"}
    assert found["e"]["type"] == "Meta"


def test_it_is_bounded(daemon: Daemon, runtime: str) -> None:
    run(daemon, runtime, "big = [0] * (1 << 27)\nlong = 10 ** 100_000")  # a list of 1 GB
    found = look(daemon, runtime)
    assert found["big"]["length"] == 1 << 27
    assert found["big"]["size_bytes"] > 1 << 30
    assert "bits" in found["long"]["repr"]
    run(daemon, runtime, "globals().update({f'v{i}': str(i) * 500 for i in range(10_000)})")
    answer = daemon.call("runtime.variables", runtime=runtime)
    assert answer["total"] == 10_002
    assert 100 < len(answer["variables"]) <= 500
    assert answer["variables"][-1]["name"] == "v9999"
    assert sum(len(json.dumps(each["repr"])) for each in answer["variables"]) < 64 * 1024


def test_while_the_main_shell_computes_and_asks(daemon: Daemon, runtime: str) -> None:
    """What runs goes on as if nobody had looked: its output, its question, its interrupt."""
    go = daemon.state.project / "go"
    code = (
        "import os, threading\nx = 0\n"
        "print('begun', flush=True)\n"
        f"while not os.path.exists({str(go)!r}): x += 1\n"
        "thread = threading.Thread(target=print, args=('from a thread',))\n"
        "thread.start(); thread.join()\nprint('asks', flush=True)\n"
        "answer = input('? ')\nprint(answer)"
    )
    cell = daemon.call("execution.submit", runtime=runtime, code=code)["id"]
    wait_for_output(daemon, cell, "begun")
    first, second = (look(daemon, runtime)["x"] for _ in range(2))
    assert int(second["repr"]) > int(first["repr"])
    assert daemon.call("runtime.variables", runtime=runtime)["via"] == "subshell"
    go.touch()
    wait_for_status(daemon, cell, "waiting_input")
    assert "x" in look(daemon, runtime)
    daemon.call("execution.input", execution=cell, value="Ada")
    done = final(daemon, cell)
    assert (done["status"], text(done)) == ("done", "begun\nfrom a thread\nasks\nAda\n")
    assert text(run(daemon, runtime, "print(answer)")) == "Ada\n"


def test_many_look_at_once(daemon: Daemon, runtime: str) -> None:
    run(daemon, runtime, "x = 1")
    with daemon.state.connection() as client:
        asked = client.send_many([("runtime.variables", {"runtime": runtime})] * 10)
        for request in asked:
            assert [each["name"] for each in client.result(request)["variables"]] == ["x"]
    assert daemon.call("runtime.get", runtime=runtime)["activity"] == "idle"


def test_an_extension_that_holds_the_interpreter_lock_is_busy(daemon: Daemon, runtime: str) -> None:
    # ipykernel's flush ends before the text is sent, the next one after that.
    code = "import re, sys\nprint('begun', flush=True)\nsys.stdout.flush()\n"
    code += "re.match(r'(?:a?){34}a{34}$', 'a' * 33 + 'b')"
    cell = daemon.call("execution.submit", runtime=runtime, code=code)["id"]
    wait_for_output(daemon, cell, "begun")
    with pytest.raises(CallFailed) as refused:
        daemon.call("runtime.variables", runtime=runtime)
    assert refused.value.name == "KernelBusy"
    daemon.call("runtime.kill", runtime=runtime)


def test_a_python_kernel_without_subshells(daemon: Daemon) -> None:
    runtime = start(daemon, "xpython")
    run(daemon, runtime, "x = [1, 2]")
    answer = daemon.call("runtime.variables", runtime=runtime)
    assert answer["via"] == "shell"
    assert ("x", "[1, 2]") in [(each["name"], each["repr"]) for each in answer["variables"]]
    code = "print('begun', flush=True)\nimport time; time.sleep(600)"
    cell = daemon.call("execution.submit", runtime=runtime, code=code)["id"]
    wait_for_output(daemon, cell, "begun")
    with pytest.raises(CallFailed) as refused:
        daemon.call("runtime.variables", runtime=runtime)
    assert refused.value.name == "KernelBusy"


@pytest.mark.parametrize(
    ("kernel", "language"), [("bash", "bash"), ("deno", "typescript"), ("ir", "R")]
)
def test_a_kernel_of_another_language(daemon: Daemon, kernel: str, language: str) -> None:
    runtime = start(daemon, kernel)
    with pytest.raises(CallFailed) as refused:
        daemon.call("runtime.variables", runtime=runtime)
    assert refused.value.name == "VariablesUnsupported"
    assert refused.value.data["language"] == language
    assert "only those of Python" in str(refused.value)
    code = SNIPPETS[kernel].begin
    cell = daemon.call("execution.submit", runtime=runtime, code=code)["id"]
    wait_for_output(daemon, cell, "begun")
    with pytest.raises(CallFailed) as refused:
        daemon.call("runtime.variables", runtime=runtime)
    assert refused.value.name == "KernelBusy"
    daemon.call("runtime.kill", runtime=runtime)


def test_a_dead_one(daemon: Daemon, runtime: str) -> None:
    daemon.call("runtime.kill", runtime=runtime)
    with pytest.raises(CallFailed) as refused:
        daemon.call("runtime.variables", runtime=runtime)
    assert refused.value.name == "RuntimeDead"


def test_a_stopped_kernel_is_not_called_busy(daemon: Daemon, runtime: str) -> None:
    pid = daemon.call("runtime.get", runtime=runtime)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(CallFailed) as refused:
            look(daemon, runtime)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert refused.value.name == "KernelUnresponsive"
