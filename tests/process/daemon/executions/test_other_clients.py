"""Another client at the same kernel: what it does is not ours, and ours is not harmed by it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.process.daemon.story import note, text, wait_for_status, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.process.daemon.executions.conftest import Repl


@pytest.fixture
def other(repl: Repl) -> Iterator[BlockingKernelClient]:
    runtime = repl.daemon.call("runtime.get", runtime=repl.id)
    client = BlockingKernelClient(connection_file=runtime["connection_file"])
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=30)
    try:
        yield client
    finally:
        client.stop_channels()


def test_what_the_kernel_aborts_for_anothers_failure_is_run_again(
    repl: Repl, other: BlockingKernelClient
) -> None:
    """Exactly once, and as if it had never left the queue."""
    truth = repl.daemon.state.project / "aborted"
    pid = repl.daemon.call("runtime.get", runtime=repl.id)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        other.execute("import time; time.sleep(0.2); 1 / 0")
        ours = repl.submit(f"{note(truth, 'ours')}\nprint('ran')")
    finally:
        os.kill(pid, signal.SIGCONT)
    done = repl.final(ours)
    assert (done["status"], text(done)) == ("done", "ran\n")
    assert words(truth) == ["ours"]
    assert done["execution_started"] >= done["queued_at"]


def test_ours_waits_while_anothers_runs_and_can_be_cancelled(
    repl: Repl, other: BlockingKernelClient
) -> None:
    truth = repl.daemon.state.project / "waits"
    go = repl.daemon.state.project / "go"
    with repl.daemon.state.connection() as client:
        other.execute(f"import os\nwhile not os.path.exists({str(go)!r}): pass")
        while repl.daemon.call("runtime.get", runtime=repl.id)["activity"] != "busy":
            pass
        cancelled, kept = (repl.submit(note(truth, word)) for word in ("cancelled", "kept"))
        assert client.call("execution.cancel", {"execution": cancelled})["status"] == "cancelled"
        assert repl.get(kept)["status"] == "queued"
    go.touch()
    assert repl.final(kept)["status"] == "done"
    assert words(truth) == ["kept"]


def test_its_output_is_not_ours_but_for_what_it_updates(
    repl: Repl, other: BlockingKernelClient
) -> None:
    shown = repl.eval(
        "from IPython.display import display, update_display\n"
        "display({'text/plain': 'old'}, raw=True, display_id='shared');"
    )
    other.execute(
        "print('foreign')\nupdate_display({'text/plain': 'new'}, raw=True, display_id='shared')",
        reply=True,
    )
    after = repl.eval("print('ours')")
    assert text(after) == "ours\n"
    outputs: list[Any] = repl.get(shown["id"])["outputs"]
    assert [output["data"] for output in outputs] == [{"text/plain": "new"}]


def test_its_question_is_not_ours_to_answer(repl: Repl, other: BlockingKernelClient) -> None:
    other.execute("answer = input('foreign? ')", allow_stdin=True)
    assert other.get_stdin_msg(timeout=10)["content"]["prompt"] == "foreign? "
    queued = repl.submit("input('ours? ')")
    assert repl.get(queued)["status"] == "queued"
    other.input("theirs")
    waiting = wait_for_status(repl.daemon, queued, "waiting_input")
    assert waiting["input"]["prompt"] == "ours? "
    repl.daemon.call("execution.input", execution=queued, value="mine")
    assert repl.final(queued)["outputs"][-1]["data"]["text/plain"] == "'mine'"
    assert repl.value("answer") == "'theirs'"
