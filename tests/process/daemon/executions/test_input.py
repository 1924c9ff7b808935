"""Code that asks: answered by anyone, once, or from what came with it; secrets stay nowhere."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.harness import parrot
from tests.harness.daemon import Daemon, State
from tests.process.daemon.executions.conftest import Repl
from tests.process.daemon.story import files_that_name, text, wait_for_status

PASSWORD = "correct-horse-battery-staple"


def answer(repl: Repl, execution: str, value: str, **more: Any) -> None:
    repl.daemon.call("execution.input", execution=execution, value=value, **more)


def test_input_is_answered_from_another_connection(repl: Repl) -> None:
    asking = repl.submit("name = input('who? '); print('hi', name)")
    waiting = wait_for_status(repl.daemon, asking, "waiting_input")
    assert waiting["input"] == {"prompt": "who? ", "password": False, "request": "1"}
    assert repl.daemon.call("runtime.get", runtime=repl.id)["activity"] == "waiting_input"
    answer(repl, asking, "Ada")
    done = repl.final(asking)
    assert (done["status"], text(done), done["input"]) == ("done", "hi Ada\n", None)


def test_several_inputs_and_a_second_answer(repl: Repl) -> None:
    asking = repl.submit("print([input(str(i)) for i in range(3)])")
    for i in range(3):
        waiting = wait_for_status(repl.daemon, asking, "waiting_input")
        while waiting["input"] != {"prompt": str(i), "password": False, "request": str(i + 1)}:
            waiting = repl.get(asking)
        answer(repl, asking, f"v{i}")
    done = repl.final(asking)
    assert text(done) == "['v0', 'v1', 'v2']\n"
    with pytest.raises(CallFailed) as refused:
        answer(repl, asking, "late")
    assert refused.value.name == "NotWaitingForInput"


def test_of_two_answers_at_once_one_is_taken_and_the_other_is_told(repl: Repl) -> None:
    asking = repl.submit("print(input())")
    wait_for_status(repl.daemon, asking, "waiting_input")
    taken: list[str] = []
    refused: list[str] = []

    def try_to(value: str) -> None:
        try:
            answer(repl, asking, value)
            taken.append(value)
        except CallFailed as failure:
            refused.append(failure.name)

    threads = [threading.Thread(target=try_to, args=(f"v{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert text(repl.final(asking)).split() == taken
    assert refused == ["NotWaitingForInput"] * 7


def test_nobody_asked(repl: Repl) -> None:
    for execution in (repl.eval("1")["id"], repl.submit("import time; time.sleep(0.2)")):
        with pytest.raises(CallFailed) as refused:
            answer(repl, execution, "x")
        assert refused.value.name == "NotWaitingForInput"


def test_end_of_file(repl: Repl) -> None:
    asking = repl.submit("input()")
    wait_for_status(repl.daemon, asking, "waiting_input")
    answer(repl, asking, "", eof=True)
    failed = repl.final(asking)
    assert (failed["status"], failed["outputs"][-1]["ename"]) == ("error", "EOFError")


def test_interrupted_while_it_asks(repl: Repl) -> None:
    asking = repl.submit("input()")
    wait_for_status(repl.daemon, asking, "waiting_input")
    repl.daemon.call("execution.interrupt", execution=asking)
    assert repl.final(asking)["status"] == "interrupted"
    assert repl.value("1 + 1") == "2"


def test_a_password_stays_nowhere(repl: Repl) -> None:
    asking = repl.submit("import getpass; p = getpass.getpass('key: '); print(len(p), p[::2])")
    waiting = wait_for_status(repl.daemon, asking, "waiting_input")
    assert waiting["input"] == {"prompt": "key: ", "password": True, "request": "1"}
    answer(repl, asking, PASSWORD)
    done = repl.final(asking)
    assert text(done) == f"{len(PASSWORD)} {PASSWORD[::2]}\n"
    repl.daemon.call("daemon.status")
    state = repl.daemon.state
    assert files_that_name(state.dir, PASSWORD[::2]), "the search finds what is there"
    assert not files_that_name(state.root, PASSWORD)


STDIN = "first\nsecond\nthird\nlast, without an end"


def test_stdin_for_input_and_sys_stdin_in_turns(repl: Repl) -> None:
    done = repl.eval(
        "import sys\nprint([input('p> '), sys.stdin.readline(), input(), sys.stdin.read()])\n"
        "input()",
        stdin=STDIN,
    )
    assert text(done) == "p> ['first', 'second\\n', 'third', 'last, without an end']\n"
    assert (done["status"], done["outputs"][-1]["ename"]) == ("error", "EOFError")


@pytest.mark.parametrize(
    "code",
    [
        "import sys; print(sys.stdin.buffer.read().decode(), end='')",
        "import io; print(io.open(0, closefd=False).read(), end='')",
        "import fileinput; print(*fileinput.input('-'), sep='', end='')",
        "import subprocess; print(subprocess.check_output(['cat'], text=True), end='')",
        "import sys; print(*list(sys.stdin), sep='', end='')",
    ],
)
def test_stdin_in_other_ways(repl: Repl, code: str) -> None:
    stdin = "\N{PILE OF POO}\n\x00b\nc"
    assert text(repl.eval(code, stdin=stdin)) == stdin


def test_stdin_for_getpass(repl: Repl) -> None:
    done = repl.eval("import getpass; print(getpass.getpass('x: '))", stdin="from stdin\n")
    assert text(done) == "x: from stdin\n"


def test_stdin_that_is_empty(repl: Repl) -> None:
    assert repl.eval("input()", stdin="")["outputs"][-1]["ename"] == "EOFError"


@pytest.mark.parametrize(
    "code", ["1", "1 / 0", "raise SystemExit", "def (", "import sys; sys.stdin = 3"]
)
def test_all_is_as_before_afterwards(repl: Repl, code: str) -> None:
    look = (
        "import sys, os; print(sys.argv, sys.stdin, os.fstat(0).st_ino); print(sorted(globals()))"
    )
    repl.eval(look)
    before = text(repl.eval(look))
    seen = repl.eval("import sys; print(sys.argv)", stdin="x", argv=["-c", "-a", "b c"])
    assert text(seen) == "['-c', '-a', 'b c']\n"
    during = text(repl.eval("print(sorted(globals()))", stdin="x", argv=["-c"]))
    numbered = ("_i", "_", "_ih", "_oh")
    names = before.splitlines()[1]
    assert set(eval(during)) - set(eval(names)) <= {  # our own literals
        name for name in eval(during) if name.startswith(numbered)
    }
    repl.eval(code, stdin="x\n", argv=["y"])
    after = text(repl.eval(look))
    assert after.splitlines()[0] == before.splitlines()[0]
    asking = repl.submit("print(input())")
    wait_for_status(repl.daemon, asking, "waiting_input")
    answer(repl, asking, "asked again")
    assert text(repl.final(asking)) == "asked again\n"


def test_a_cancelled_one_takes_nothing_from_the_one_that_runs(repl: Repl) -> None:
    running = repl.submit(
        "import os, time\nprint('begun')\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
        "print(input())",
        stdin="mine\n",
    )
    wait_for_status(repl.daemon, running, "running")
    queued = repl.submit("print(input())", stdin="never\n")
    behind = repl.submit("print(input())", stdin="behind\n")
    repl.daemon.call("execution.cancel", execution=queued)
    cwd = repl.daemon.call("runtime.get", runtime=repl.id)["cwd"]
    try:
        with open(os.path.join(cwd, "go"), "w"):
            pass
        assert text(repl.final(running)) == "begun\nmine\n"
        assert text(repl.final(behind)) == "behind\n"
    finally:
        os.unlink(os.path.join(cwd, "go"))


@pytest.fixture(scope="module")
def bird(state: State, daemon: Daemon) -> Repl:
    parrot.install(state.home / ".local" / "share" / "jupyter")
    return Repl(daemon, daemon.call("runtime.start", kernel_name="parrot", env=state.env)["id"])


def test_stdin_of_a_kernel_that_is_not_python(bird: Repl) -> None:
    done = bird.eval("hello ? ? * ? ?", stdin="one\n\nsecret word\nfour")
    assert text(done) == "hello\none\n\nsecret word\nfour\n(end)\n"


def test_input_of_a_kernel_that_is_not_python(bird: Repl) -> None:
    asking = bird.submit("? done")
    wait_for_status(bird.daemon, asking, "waiting_input")
    answer(bird, asking, "me")
    assert text(bird.final(asking)) == "me\ndone\n"


def test_stdin_is_fed_once_when_the_daemon_dies() -> None:
    """Each line is given out once, in order: also when it dies between asking and answering."""
    state = State.create()
    daemon = Daemon(state).start()
    try:
        parrot.install(state.home / ".local" / "share" / "jupyter")
        repl = Repl(daemon, daemon.call("runtime.start", kernel_name="parrot", env=state.env)["id"])
        lines = [f"line{i}" for i in range(400)]
        asking = repl.submit("? " * len(lines), stdin="\n".join(lines) + "\n")
        wait_for_status(daemon, asking, "waiting_input")
        for _ in range(3):
            daemon.kill()
            daemon.start()
        assert text(repl.final(asking)).split() == lines
    finally:
        daemon.dispose()
        state.dispose()


def test_an_answer_that_names_its_request_goes_to_no_other(repl: Repl) -> None:
    asking = repl.submit("print([input('a'), input('b')])")
    first = wait_for_status(repl.daemon, asking, "waiting_input")["input"]["request"]
    answer(repl, asking, "one", request=first)
    while (now := repl.get(asking)["input"]) is None or now["request"] == first:
        pass
    with pytest.raises(CallFailed) as refused:
        answer(repl, asking, "again", request=first)
    assert refused.value.name == "StaleInput"
    answer(repl, asking, "two", request=now["request"])
    assert text(repl.final(asking)) == "['one', 'two']\n"
