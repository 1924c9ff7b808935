"""What is kept stays within its limit: the oldest outputs go, code, status and pins stay."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.harness import shared
from tests.harness.daemon import Daemon, State, runt
from tests.process.daemon.adoption.waiting import until
from tests.process.daemon.executions.conftest import Repl

LIMIT_BYTES = 3_000_000
#: Of the outputs of the first ones, so much each: stream text that is not compressible by folding.
OUTPUT_BYTES = 300_000


state, daemon = shared.state, shared.daemon


@pytest.fixture(scope="module")
def repl(daemon: Daemon) -> Repl:
    return Repl(daemon, daemon.call("runtime.start", kernel_name="python3")["id"])


def limited(state: State, daemon: Daemon, limit_bytes: int | None) -> None:
    """Set the limit, or with None the usual one, and have the daemon read it."""
    config = {} if limit_bytes is None else {"retention_bytes": limit_bytes}
    path = state.root / "h" / ".config" / "runtimed" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name} = {value}\n" for name, value in config.items()))
    daemon.call("daemon.reload")


def printed(repl: Repl, mark: str) -> Any:
    """Print so much that it counts, and return the execution."""
    return repl.eval(
        "import os, base64\n"
        f"print({mark!r}, base64.b64encode(os.urandom({OUTPUT_BYTES * 3 // 4})).decode())"
    )


def test_the_oldest_outputs_go_and_pins_stay(state: State, daemon: Daemon, repl: Repl) -> None:
    pinned = printed(repl, "pinned-output")
    daemon.call("execution.pin", execution=pinned["id"])
    page = "from IPython.display import HTML; HTML('<p>' + 'blob ' * 100_000 + {!r})"
    shared = [repl.eval(page.format("shared"))["id"] for _ in range(2)]
    own = repl.eval(page.format("own"))["id"]
    ids = [printed(repl, f"output-{number}")["id"] for number in range(12)]
    running = repl.submit("print('running-output', 'z' * 300_000); input()")
    until(lambda: repl.get(running)["status"] == "waiting_input", "it asks")
    blobs = [path for path in (state.dir / "blobs").rglob("*") if path.is_file()]
    assert len(blobs) == 2
    for path in blobs:
        os.utime(path, (0, 0))  # nobody is about to refer to them
    used = daemon.call("daemon.status")["used_bytes"]
    assert used > LIMIT_BYTES

    limited(state, daemon, LIMIT_BYTES)
    told = daemon.call("daemon.gc", dry_run=True)
    assert (told["dry_run"], told["after"]) == (True, None)
    assert 0 < told["executions"] < len(ids) + 3
    assert "outputs_removed" in repl.get(ids[0])
    assert repl.get(ids[0])["outputs_removed"] is None
    done = daemon.call("daemon.gc")
    assert done["before"]["used_bytes"] == pytest.approx(used, rel=0.2)
    assert done["after"]["used_bytes"] <= LIMIT_BYTES
    assert done["foreign"] == 0

    first = repl.get(shared[0])
    assert (first["outputs"], first["status"], first["code"]) == ([], "done", page.format("shared"))
    assert first["outputs_removed"]["reason"] == "to make room"
    assert first["outputs_removed"]["size_bytes"] > 0
    gone = [id for id in ids if repl.get(id)["outputs_removed"]]
    assert gone == ids[: len(gone)]
    assert 0 < len(gone) < len(ids)
    assert repl.get(ids[0])["outputs_removed"]["size_bytes"] > OUTPUT_BYTES
    assert repl.get(ids[-1])["outputs"][0]["text"].startswith("output-11")
    assert repl.get(pinned["id"])["outputs"][0]["text"].startswith("pinned-output")
    assert repl.get(running)["outputs"][0]["text"].startswith("running-output")
    # Nothing of it is found by its output any more, and by its code still.
    found = daemon.call("execution.search", query='"output 0"')
    assert [each["execution"]["id"] for each in found] == [ids[0]]
    assert [snippet["where"] for snippet in found[0]["snippets"]] == ["code"]
    assert own not in [each["id"] for each in daemon.call("execution.list", pinned=True)]

    assert [path for path in blobs if path.exists()] == []
    shown = runt(state, "output", ids[0])
    assert "of output were removed to make room" in shown.stderr
    status = json.loads(runt(state, "status", "--json").stdout)["status"]
    assert status["limit_bytes"] == LIMIT_BYTES
    assert 0 < status["used_bytes"] < used
    assert "in use" in runt(state, "gc").stdout
    daemon.call("execution.input", execution=running, value="")
    repl.final(running)
    limited(state, daemon, None)


def test_a_removal_is_an_event_and_evaluations_go_on(
    state: State, daemon: Daemon, repl: Repl
) -> None:
    execution = printed(repl, "told")
    with state.connection() as client:
        subscribed = client.call(
            "events.subscribe", {"execution": execution["id"], "types": ["execution"]}
        )
        limited(state, daemon, 64 * 1024)
        (collected,) = client.send_many([("daemon.gc", {})])
        assert repl.value("'meanwhile'") == "'meanwhile'"
        assert client.result(collected)["executions"] > 0
        told = next(client.notifications())
    assert told["params"]["subscription"] == subscribed["subscription"]
    assert told["params"]["data"]["outputs_removed"]["size_bytes"] > OUTPUT_BYTES
    assert repl.get(execution["id"])["outputs"] == []
    limited(state, daemon, None)


def test_it_happens_by_itself(state: State, repl: Repl, daemon: Daemon) -> None:
    """After so much was stored, and at a start."""
    execution = printed(repl, "by-itself")
    limited(state, daemon, 64 * 1024)
    daemon.stop()
    daemon.start()
    until(lambda: repl.get(execution["id"])["outputs_removed"], "room is made")
    limited(state, daemon, None)
