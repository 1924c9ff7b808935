"""Runtimes and executions of the blocking client."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from runtimed.api.errors import ExecutionConflict, RuntimeDead, RuntimeNotFound
from runtimed.client import ExecutionFailed, connect
from tests.process.daemon.story import WAIT_S

if TYPE_CHECKING:
    from pathlib import Path

    from runtimed.client import Client, Runtime
    from tests.harness.daemon import Daemon, State

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2000  # far over the blob limit
SHOW = f"""
import base64
from IPython.display import display
print("before")
display({{"image/png": "{base64.b64encode(PNG[:8]).decode()}"}}, raw=True)
picture = base64.b64encode({PNG[:8]!r} + bytes(range(256)) * 2000).decode()
display({{"image/png": picture, "text/plain": "a picture"}}, raw=True)
6 * 7
"""


def test_what_an_execution_shows(client: Client, runtime: Runtime) -> None:
    done = runtime.eval(SHOW)
    assert done.status == "done"
    assert done.stdout == "before\n"
    assert (done.stderr, done.result, done.error) == ("", "42", None)
    assert done.png == PNG
    assert done.text == "before\n<image/png>\na picture\n42"
    assert done.requested_by.client == "tests"
    assert done.requested_by.pid == os.getpid()
    again = client.execution(done.id)
    assert again.png == PNG
    assert again == done


def test_an_error_is_there_and_raised_when_asked(runtime: Runtime) -> None:
    failed = runtime.eval("import sys; print('oh', file=sys.stderr); 1/0")
    assert failed.error is not None
    assert (failed.status, failed.error.ename) == ("error", "ZeroDivisionError")
    assert failed.stderr == "oh\n"
    assert "\x1b" not in failed.text
    assert failed.text.endswith("ZeroDivisionError: division by zero")
    with pytest.raises(ExecutionFailed, match="ZeroDivisionError: division by zero") as caught:
        failed.check()
    assert caught.value.execution is failed


def test_it_comes_as_it_is_printed(runtime: Runtime, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    execution = runtime.submit(f"print('first', flush=True); open({str(gate)!r}).read(); 'last'")
    assert execution.outputs is None
    pieces = execution.stream()
    assert next(pieces).text == "first\n"
    assert execution.refresh().status == "running"
    gate.write_text("")
    assert [piece.output_type for piece in pieces] == ["execute_result"]
    assert (execution.status, execution.result) == ("done", "'last'")
    assert [piece.output_type for piece in execution.stream()] == ["stream", "execute_result"]


def test_large_values_and_updates_are_streamed(runtime: Runtime) -> None:
    code = f"{SHOW}\nhandle = display('old', display_id=True)\nhandle.update('new')"
    pieces = [piece.data for piece in runtime.submit(code).stream() if piece.data]
    assert [data["image/png"] for data in pieces[:2]][1] == base64.b64encode(PNG).decode()
    assert [data["text/plain"] for data in pieces[2:]] == ["'old'", "'new'"]


def test_waiting_ends_and_the_execution_goes_on(runtime: Runtime) -> None:
    asked = runtime.eval("input('who? ')", wait_s=0)
    while asked.status != "waiting_input":
        asked.wait(0.05)
    assert asked.input is not None
    assert asked.input.prompt == "who? "
    asked.reply("me")
    assert asked.wait(WAIT_S).result == "'me'"


def test_interrupts_and_cancels(runtime: Runtime) -> None:
    running = runtime.submit("print('x', flush=True)\nimport time; time.sleep(600)")
    queued = runtime.submit("never = 1")
    assert queued.cancel().status == "cancelled"
    next(running.stream())
    assert running.interrupt().ended
    assert running.wait(WAIT_S).status == "interrupted"
    assert runtime.interrupt().how == "none"


def test_a_whole_text_however_long(runtime: Runtime) -> None:
    done = runtime.eval("for n in range(60_000): print('line', n)").check()
    assert done.text.endswith("more characters; `lines` has all]")
    lines = list(done.lines())
    assert (len(lines), lines[-1]) == (60_000, "line 59999")


def test_an_id_of_ones_own(runtime: Runtime) -> None:
    identity = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    first = runtime.eval("n = globals().get('n', 0) + 1; n", id=identity)
    assert runtime.eval("n = globals().get('n', 0) + 1; n", id=identity).result == first.result
    with pytest.raises(ExecutionConflict, match="code"):
        runtime.eval("2", id=identity)


def test_history_newest_first_over_pages(client: Client, runtime: Runtime) -> None:
    codes = [f"{n}" for n in range(120)]
    for code in codes:
        last = runtime.submit(code)
    last.wait(WAIT_S)
    found = runtime.history(status=["done"])
    newest = next(found)
    assert newest.outputs is None
    assert newest.result == codes[-1]  # fetched, as it is asked for
    assert [next(found).code for _ in codes[1:]] == codes[-2::-1]
    assert next(client.history()).id == newest.id


def test_runtimes_by_name_and_their_end(client: Client, state: State) -> None:
    with client.start("python3", env=state.env, name="short", cwd=str(state.project)) as runtime:
        assert client.runtime("short").id == runtime.id
        runtime.eval("x = 41")
        assert [each.name for each in runtime.variables()] == ["x"]
        assert runtime.restart().runtime.incarnation == 2
        assert runtime.incarnation == 2
        assert runtime.eval("'x' in globals()").result == "False"
        assert runtime.id in [each.id for each in client.runtimes()]
    assert runtime.status == "dead"
    with pytest.raises(RuntimeDead):
        runtime.eval("1")
    with pytest.raises(RuntimeNotFound):
        client.runtime("nobody")
    assert "short" in [each.name for each in client.runtimes(all=True)]


def test_a_project_has_its_runtime(client: Client, state: State) -> None:
    directory = str(state.project)
    first = client.eval("import os; os.getcwd()", project=directory)
    assert first.result == repr(os.getcwd())
    assert client.eval("1", project=directory).runtime == first.runtime
    client.runtime(first.runtime.id).stop()


def test_threads_share_a_client(client: Client, runtime: Runtime) -> None:
    results: list[str | None] = []
    waiting = runtime.submit("input()")
    answered = threading.Thread(target=lambda: results.append(waiting.wait(WAIT_S).result))
    answered.start()
    threads = [
        threading.Thread(target=lambda n=n: results.append(client.api.runtime.get(runtime=n).name))
        for n in [runtime.id] * 8
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["shared"] * 8
    while waiting.refresh().status != "waiting_input":
        pass
    waiting.reply("from another thread")
    answered.join()
    assert results[-1] == "'from another thread'"


def test_events_are_ended_by_another_thread(runtime: Runtime) -> None:
    with runtime.events(types=["gap"]) as events:
        closing = threading.Timer(0.1, events.close)
        closing.start()
        assert list(events) == []
        closing.join()


def test_a_forked_child_has_connections_of_its_own(daemon: Daemon, runtime: Runtime) -> None:
    with connect(str(daemon.state.socket), start=False) as client:
        events = client.events(runtime=runtime.id, types=["execution"])
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                found = client.api.runtime.get(runtime=runtime.id)
                mine = client.runtime(found.id).eval("'child'")
                assert mine.requested_by.pid == os.getpid()
                while next(events).execution != mine.id:
                    pass
                os.write(writing, mine.id.encode())
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        theirs = os.read(reading, 100).decode()
        os.close(reading)
        os.close(writing)
        assert next(events).execution == theirs
        assert client.execution(theirs).requested_by.pid == pid
        events.close()


INTERRUPTED = """
import sys
from runtimed.client import connect
client = connect(sys.argv[1], start=False)
runtime = client.runtime("shared")
events = runtime.events(types=["execution"])
execution = runtime.submit("input('long')")
for wait in (execution.wait, lambda: list(events)):
    try:
        print("waiting", flush=True)
        wait()
    except KeyboardInterrupt:
        print(execution.refresh().status, flush=True)
execution.reply("now")
print(execution.wait().result)
while next(events).data.get("status") != "done":
    pass
events.close()
client.close()
"""


def test_ctrl_c_ends_the_waiting_only(daemon: Daemon, runtime: Runtime) -> None:
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", INTERRUPTED, str(daemon.state.socket)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        for _ in range(2):
            assert program.stdout.readline() == "waiting\n"
            (asked,) = runtime.history(status=["waiting_input", "running", "queued"])
            while asked.refresh().status != "waiting_input":
                pass
            program.send_signal(signal.SIGINT)
            assert program.stdout.readline() == "waiting_input\n"
        out, err = program.communicate(timeout=WAIT_S)
    assert (out, err, program.returncode) == ("'now'\n", "", 0)
