"""Two users of one kernel: neither hears of the other's errors, questions or Ctrl-C.

The truth is a file that the kernel writes, and what the owner's own client was told.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness.shell import popen
from tests.process.daemon.adoption.waiting import adopted, execution, until
from tests.process.daemon.story import final, text, wait_for, words

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State
    from tests.harness.jupyter_server import JupyterServer
    from tests.process.daemon.adoption.sharing import Shared

OURS = "01J8ZQ4X8Y6D7N5K3M2P1R0S9T"


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Press Ctrl-C, and return the exit code and what was printed."""
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    return process.returncode, stdout


def line_with(process: subprocess.Popen[str], wanted: str) -> str:
    """Read what `runt` prints up to the line that has this, and return that line."""
    assert process.stdout is not None
    for line in process.stdout:
        if wanted in line:
            return line
    raise AssertionError(f"{wanted!r} was never printed")


def test_each_sees_what_the_other_does(shared: Shared) -> None:
    """Attached, the owner's work is seen while it goes on, and leaving does not end it."""
    attached = popen(shared.state, "attach", shared.id, "--since", "start")
    request = shared.theirs_run(
        "x = 41\nprint('theirs', flush=True)\n" + shared.waiting("go"), "go"
    )
    line_with(attached, "running: x = 41")
    assert line_with(attached, "theirs") == "theirs\n"
    assert interrupted(attached)[0] == 130
    shared.gate("go").touch()
    assert shared.reply(request)["status"] == "ok"
    assert shared.runt("eval", "-r", shared.id, "y = x + 1; print('ours'); y").stdout == (
        "ours\n42\n"
    )
    seen = [shared.theirs.get_iopub_msg(timeout=60) for _ in range(3)]
    while seen[-1]["content"].get("text") != "ours\n":
        seen.append(shared.theirs.get_iopub_msg(timeout=60))
    values = shared.theirs.execute("", user_expressions={"y": "y"}, reply=True)
    assert values["content"]["user_expressions"]["y"]["data"]["text/plain"] == "42"
    detached = shared.submit("print('later')")
    assert shared.runt("wait", detached).returncode == 0
    assert shared.runt("output", detached).stdout == "later\n"


def test_variables_while_theirs_computes(shared: Shared) -> None:
    shared.theirs.execute("x = 41", reply=True)
    request = shared.theirs_run(shared.waiting("go", shared.note("ended")), "go")
    listed = shared.runt("vars", shared.id)
    assert listed.returncode == 0
    (x,) = [line.split("\t") for line in listed.stdout.splitlines() if line.startswith("x\t")]
    assert (x[1], x[-1]) == ("int", "41")
    assert words(shared.truth) == ["go"]
    shared.gate("go").touch()
    assert shared.reply(request)["status"] == "ok"
    assert words(shared.truth) == ["go", "ended"]


def test_an_interrupt_is_for_what_it_names(shared: Shared) -> None:
    """A runtime: whatever runs there. An execution: that one, and never what runs instead."""
    code = shared.waiting("never")
    request = shared.theirs_run(code, "never")
    queued = shared.submit(shared.note("queued"))
    assert shared.runt("interrupt", queued).stdout == f"cancelled {queued}\n"
    assert execution(shared.daemon, shared.runtime, code)["status"] == "running"
    by_runtime = shared.runt("interrupt", shared.id)
    assert (by_runtime.returncode, by_runtime.stdout.split()[0]) == (0, "interrupted")
    assert shared.reply(request)["ename"] == "KeyboardInterrupt"
    assert execution(shared.daemon, shared.runtime, code, "interrupted")

    ours = shared.submit(shared.waiting("ours"))
    wait_for(shared.truth, "ours")
    behind = shared.theirs.execute(shared.waiting("behind", shared.note("ended")))
    assert shared.runt("interrupt", ours).stdout == f"interrupted {ours} (signal)\n"
    wait_for(shared.truth, "behind")
    # Final, and theirs runs: nothing is there to be interrupted any more.
    assert "nothing is running" in shared.runt("interrupt", ours).stderr
    shared.gate("behind").touch()
    assert shared.reply(behind)["status"] == "ok"
    assert words(shared.truth) == ["never", "ours", "behind", "ended"]


@pytest.mark.parametrize("known", [True, False])
def test_their_error_cancels_none_of_ours(shared: Shared, known: bool) -> None:
    """They ask for stop_on_error. Unknown to us, ours is behind theirs in the kernel itself."""
    failing = shared.waiting("theirs", "1 / 0")
    if known:
        request = shared.theirs_run(failing, "theirs")
        ours = [shared.submit(shared.note(f"q{i}")) for i in range(3)]
    else:
        with shared.unheard():
            request = shared.theirs.execute(failing)
            wait_for(shared.truth, "theirs")
            ours = [shared.submit(shared.note(f"q{i}")) for i in range(3)]
    shared.gate("theirs").touch()
    assert shared.reply(request)["ename"] == "ZeroDivisionError"
    for each in ours:
        assert shared.runt("wait", each).stdout == f"{each} done\n"
    assert words(shared.truth) == ["theirs", "q0", "q1", "q2"]


def test_our_error_cancels_none_of_theirs(shared: Shared) -> None:
    ours = shared.submit(shared.waiting("ours", "1 / 0"))
    wait_for(shared.truth, "ours")
    behind = [shared.theirs.execute(shared.note(f"t{i}")) for i in range(3)]
    shared.gate("ours").touch()
    assert [shared.reply(request)["status"] for request in behind] == ["ok"] * 3
    assert shared.runt("wait", ours).stdout == f"{ours} error\n"
    assert words(shared.truth) == ["ours", "t0", "t1", "t2"]


def test_ctrl_c_on_ours_that_waits_for_theirs(shared: Shared) -> None:
    request = shared.theirs_run(shared.waiting("theirs", shared.note("ended")), "theirs")
    ours = shared.popen("eval", "--id", OURS, shared.note("ours"))
    assert until(lambda: shared.show(OURS), "ours in the queue")["status"] == "queued"
    assert interrupted(ours) == (130, "")
    assert shared.show(OURS)["status"] == "cancelled"
    shared.gate("theirs").touch()
    assert shared.reply(request)["status"] == "ok"
    assert shared.runt("eval", "-r", shared.id, "'after'").stdout == "'after'\n"
    assert words(shared.truth) == ["theirs", "ended"]


def test_ours_that_waits_in_the_kernel_behind_theirs(shared: Shared) -> None:
    """Sent before theirs was heard of: an interrupt of the runtime is for theirs, which runs."""
    code = shared.waiting("theirs")
    with shared.unheard():
        request = shared.theirs.execute(code)
        wait_for(shared.truth, "theirs")
        ours = shared.popen("eval", "--id", OURS, shared.note("ours"))
        until(lambda: shared.show(OURS), "ours")
    execution(shared.daemon, shared.runtime, code, "running")
    assert shared.runt("cancel", OURS).returncode == 4
    by_runtime = shared.runt("interrupt", shared.id)
    assert (by_runtime.returncode, by_runtime.stdout.split()[0]) == (0, "interrupted")
    assert shared.reply(request)["ename"] == "KeyboardInterrupt"
    ours.communicate(timeout=60)
    assert ours.returncode == 0
    assert words(shared.truth) == ["theirs", "ours"]


def test_ctrl_c_on_ours_that_waits_in_the_kernel_behind_theirs(shared: Shared) -> None:
    code = shared.waiting("theirs", shared.note("ended"))
    with shared.unheard():
        request = shared.theirs.execute(code)
        wait_for(shared.truth, "theirs")
        ours = shared.popen("eval", "--id", OURS, shared.waiting("ours"))
        until(lambda: shared.show(OURS), "ours")
    execution(shared.daemon, shared.runtime, code, "running")
    ours.send_signal(signal.SIGINT)
    # Theirs goes on until it is let; then ours begins, and is what is interrupted.
    assert shared.runt("vars", shared.id).returncode == 0
    shared.gate("theirs").touch()
    assert shared.reply(request)["status"] == "ok"
    ours.communicate(timeout=60)
    assert ours.returncode == 130
    assert words(shared.truth)[:2] == ["theirs", "ended"]


def test_ctrl_c_on_ours_that_runs_before_theirs(shared: Shared) -> None:
    ours = shared.popen("eval", shared.waiting("ours"))
    wait_for(shared.truth, "ours")
    behind = shared.theirs.execute(shared.waiting("theirs", shared.note("ended")))
    assert interrupted(ours)[0] == 130
    wait_for(shared.truth, "theirs")
    shared.gate("theirs").touch()
    assert shared.reply(behind)["status"] == "ok"
    assert words(shared.truth) == ["ours", "theirs", "ended"]


def test_ctrl_c_that_comes_when_ours_is_over_and_theirs_runs(shared: Shared) -> None:
    """`runt` is held while that changes, so for all that it knows, ours runs."""
    ours = shared.popen("eval", "print('on', flush=True)\n" + shared.waiting("ours"))
    assert line_with(ours, "on")
    wait_for(shared.truth, "ours")
    ours.send_signal(signal.SIGSTOP)
    try:
        behind = shared.theirs.execute(shared.waiting("theirs", shared.note("ended")))
        shared.gate("ours").touch()
        wait_for(shared.truth, "theirs")
        ours.send_signal(signal.SIGINT)
    finally:
        ours.send_signal(signal.SIGCONT)
    ours.communicate(timeout=60)
    shared.gate("theirs").touch()
    assert shared.reply(behind)["status"] == "ok"
    assert words(shared.truth) == ["ours", "theirs", "ended"]


#: The thread that publishes gets no turn before the next idle status, for a second.
PUBLISH_LATE = """
thread = get_ipython().kernel.iopub_thread
send = thread._really_send
def late(message, *args, **kwargs):
    if b'"idle"' in b''.join(map(bytes, message)):
        thread._really_send = send
        time.sleep(1)
    send(message, *args, **kwargs)
thread._really_send = late
"""


def test_an_interrupt_of_theirs_that_is_over_while_its_end_is_not_published(
    shared: Shared,
) -> None:
    """Nothing answers us what they ran: only what the kernel publishes tells that it is over."""
    code = shared.waiting("first", PUBLISH_LATE.strip())
    shared.theirs_run(code, "first")
    first = execution(shared.daemon, shared.runtime, code, "running")
    second = shared.theirs.execute(shared.waiting("second", shared.note("ended")))
    shared.gate("first").touch()
    wait_for(shared.truth, "second")
    assert "nothing is running" in shared.runt("interrupt", first["id"]).stderr
    shared.gate("second").touch()
    assert shared.reply(second)["status"] == "ok"
    assert words(shared.truth) == ["first", "second", "ended"]


def test_an_interrupt_of_ours_that_is_over_while_its_end_is_not_published(shared: Shared) -> None:
    ours = shared.submit(shared.waiting("ours", PUBLISH_LATE))
    wait_for(shared.truth, "ours")
    behind = shared.theirs.execute(shared.waiting("theirs", shared.note("ended")))
    shared.gate("ours").touch()
    wait_for(shared.truth, "theirs")
    shared.runt("interrupt", ours)
    shared.gate("theirs").touch()
    assert shared.reply(behind)["status"] == "ok"
    assert words(shared.truth) == ["ours", "theirs", "ended"]


def test_a_question_goes_to_who_asked_for_it(shared: Shared) -> None:
    attached = popen(shared.state, "attach", shared.id, "--since", "start")
    code = "name = input('theirs? ')\nprint('hi', name)"
    request = shared.theirs.execute(code, allow_stdin=True)
    asked = shared.theirs.get_stdin_msg(timeout=60)
    assert asked["content"]["prompt"] == "theirs? "
    known = execution(shared.daemon, shared.runtime, code, "running")
    ours = shared.submit("input('ours? ')")
    assert shared.runt("reply", known["id"], "Eve").returncode == 4
    shared.theirs.input("Ada")
    assert shared.reply(request)["status"] == "ok"
    assert text(execution(shared.daemon, shared.runtime, code, "done")) == "hi Ada\n"
    until(lambda: shared.show(ours)["status"] == "waiting_input", "our question")
    assert shared.runt("reply", ours, "Bob").returncode == 0
    assert shared.runt("wait", ours).returncode == 0
    assert shared.runt("output", ours).stdout == "'Bob'\n"
    assert not shared.theirs.stdin_channel.msg_ready()
    line_with(attached, "'Bob'")
    attached.send_signal(signal.SIGINT)
    _, asked_of_us = attached.communicate(timeout=60)
    assert [line for line in asked_of_us.splitlines() if "asks" in line] == [f"{ours} asks: ours? "]


def test_a_notebook_and_runt(
    state: State, daemon: Daemon, runt: Runt, jupyter_server: JupyterServer
) -> None:
    """The same through a real server: its websocket and we, at one kernel."""
    session = jupyter_server.create_session("notebook.ipynb")
    runtime = adopted(daemon, session.connection_file)
    truth, go = state.project / "truth", state.project / "go"
    code = (
        f"import os, time\nopen({str(truth)!r}, 'a').write('theirs ')\nprint(input('theirs? '))\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('to its end')\n1 / 0"
    )
    with jupyter_server.connect(session) as notebook:
        cell = notebook.execute(code)
        notebook.wait_for("input_request", cell, prompt="theirs? ")
        execution(daemon, runtime, code, "running")
        ours = [
            runt("submit", "-r", runtime["id"], f"open({str(truth)!r}, 'a').write('q{i} ')")
            for i in range(3)
        ]
        ids = [each.stdout.strip() for each in ours]
        evaluated = popen(state, "eval", "-r", runtime["id"], "--id", OURS, "'never'")
        until(lambda: runt("show", OURS).returncode == 0, "ours in the queue")
        assert interrupted(evaluated) == (130, "")
        notebook.send("input_reply", {"status": "ok", "value": "Ada"}, "stdin")
        notebook.wait_for("stream", cell)
        attached = popen(state, "attach", runtime["id"], "--since", "start")
        go.touch()
        assert notebook.wait_for("execute_reply", cell)["content"]["status"] == "error"
        assert line_with(attached, "to its end\n")
        for each in ids:
            assert runt("wait", each).stdout == f"{each} done\n"
        assert interrupted(attached)[0] == 130
        after = notebook.run("'fine'")
    assert [
        m["content"]["status"] for m in after if m["header"]["msg_type"] == "execute_reply"
    ] == ["ok"]
    theirs = execution(daemon, runtime, code, "error")
    assert text(theirs) == "Ada\nto its end\n"
    assert words(truth) == ["theirs", "q0", "q1", "q2"]
    assert final(daemon, OURS)["status"] == "cancelled"
