"""Of the outputs that may go, no more go than must: young blobs, pins, what was foretold."""

from __future__ import annotations

import json

import pytest

from tests.harness import shared
from tests.harness.daemon import Daemon, State, runt
from tests.process.daemon.executions.conftest import Repl
from tests.process.daemon.history.test_retention import limited

LIMIT_BYTES = 4_000_000
BLOB_BYTES = 500_000


state, daemon = shared.state, shared.daemon


@pytest.fixture(scope="module")
def repl(daemon: Daemon) -> Repl:
    return Repl(daemon, daemon.call("runtime.start", kernel_name="python3")["id"])


def shown(repl: Repl, mark: int) -> str:
    """Show a value so large that it becomes a blob, and return the execution's id."""
    code = "from IPython.display import HTML; HTML({!r} + 'b' * {})"
    found: str = repl.eval(code.format(f"<p>{mark} ", BLOB_BYTES))["id"]
    return found


def test_young_blobs_count_as_free_and_pins_as_taken(
    state: State, daemon: Daemon, repl: Repl
) -> None:
    large = [shown(repl, mark) for mark in range(8)]
    small = [repl.eval(f"print('small-{number}')")["id"] for number in range(5)]
    assert daemon.call("daemon.status")["used_bytes"] > LIMIT_BYTES

    limited(state, daemon, LIMIT_BYTES)
    told = daemon.call("daemon.gc", dry_run=True)
    done = daemon.call("daemon.gc")
    assert 0 < told["executions"] < 4
    assert done["executions"] == told["executions"]
    assert done["size_bytes"] == told["size_bytes"]
    assert done["after"]["used_bytes"] <= LIMIT_BYTES
    assert done["after"]["leaving_bytes"] >= told["executions"] * BLOB_BYTES
    removed = [id for id in large if repl.get(id)["outputs_removed"]]
    assert removed == large[: told["executions"]]
    assert daemon.call("daemon.status")["retention"] == "ok"

    # What is pinned is above the limit by itself: nothing else goes for it, and it is said.
    for id in large[-4:]:
        daemon.call("execution.pin", execution=id)
    limited(state, daemon, 3 * BLOB_BYTES)
    text = runt(state, "gc").stdout
    assert "nothing more can go" in text
    assert [id for id in small if repl.get(id)["outputs_removed"]] == []
    assert [id for id in large[:-4] if not repl.get(id)["outputs_removed"]] == []
    again = json.loads(runt(state, "gc", "--json").stdout)["collected"]
    assert again["executions"] == 0
    assert again["before"]["unremovable_bytes"] > 4 * BLOB_BYTES
    assert "nothing more can go" in daemon.call("daemon.status")["retention"]
    limited(state, daemon, None)
    assert daemon.call("daemon.status")["retention"] == "ok"
