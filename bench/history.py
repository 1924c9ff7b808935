"""The record of 10³ … 10⁶ executions at the socket: lists with each filter, search, one of them.

Each value is the 95th percentile over rounds that ask differently; a slow one is slow for a person.
``HISTORY_SIZES`` (such as ``1000,1000000``) measures others.
"""

from __future__ import annotations

import functools
import os
import random
import time
from typing import TYPE_CHECKING, Any

from bench.harness import Value, new_state, seconds
from bench.history_database import BEGIN_MS, CELLS, SPAN_MS, Words, build, runtime_ids
from runtimed.model.ids import short
from runtimed.model.times import rfc3339
from tests.harness.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtimed.client.lines import LineClient

SIZES = "1000,10000,100000,1000000"
ROUNDS = 60
#: Issue 5's bound, in milliseconds.
BOUND_MS = 50.0
_DAY_MS = 86_400_000


def measure() -> Iterator[Value]:
    for size in map(int, os.environ.get("HISTORY_SIZES", SIZES).split(",")):
        with new_state() as state:
            made_s = seconds(functools.partial(build, state, size))
            yield Value(name=f"{size:,}: made", ours=made_s, unit="s")
            daemon = Daemon(state).start()
            try:
                with state.connection() as client:
                    yield from _of(client, size)
            finally:
                daemon.dispose()


def _of(client: LineClient, size: int) -> Iterator[Value]:
    seed = random.Random(2)
    for name, method, ask in _questions(client, seed):
        taken = sorted(_ms(client, method, ask()) for _ in range(ROUNDS))
        yield Value(
            name=f"{size:,}: {name}",
            ours=taken[int(len(taken) * 0.95)],
            unit="ms",
            bound=BOUND_MS,
            note=f"median {taken[len(taken) // 2]:.2f}",
        )


def _ms(client: LineClient, method: str, params: dict[str, Any]) -> float:
    begin = time.perf_counter()
    client.call(method, params)
    return (time.perf_counter() - begin) * 1e3


def _questions(
    client: LineClient, seed: random.Random
) -> Iterator[tuple[str, str, Callable[[], dict[str, Any]]]]:
    """Yield (what it is, method, a function that returns other parameters each time)."""
    words = Words(random.Random(1))
    runtimes = runtime_ids()
    large, small = runtimes[0], runtimes[-1]
    found = client.call("execution.list", {"limit": 1000})
    end_ms = BEGIN_MS + SPAN_MS

    def at(ago_ms: int) -> str | None:
        return rfc3339(end_ms - ago_ms)

    lists: dict[str, Callable[[], dict[str, Any]]] = {
        "history": dict,
        "history --runtime (large)": lambda: {"runtime": large},
        "history --runtime (small)": lambda: {"runtime": small},
        "history --status error": lambda: {"status": ["error"]},
        "history --status, of several": lambda: {"status": ["error", "interrupted", "cancelled"]},
        "history --foreign": lambda: {"foreign": True},
        "history --mine": lambda: {"foreign": False},
        "history --since 2d": lambda: {"since": at(2 * _DAY_MS)},
        "history --until a day in these years": lambda: {"until": at(seed.randrange(SPAN_MS))},
        "history --pinned": lambda: {"pinned": True},
        "history --runtime --status --foreign": lambda: {
            "runtime": small,
            "status": ["error"],
            "foreign": True,
        },
        "history --status --since --until": lambda: {
            "status": ["cancelled"],
            "since": at(400 * _DAY_MS),
            "until": at(300 * _DAY_MS),
        },
        "history --grep, often": lambda: {"grep": "import"},
        "history --grep, seldom": lambda: {"grep": words.line(1)[:7]},
        "history --grep, two words": lambda: {"grep": words.line(2)},
        "history --grep, never": lambda: {"grep": "no such thing"},
        "history --grep of two letters": lambda: {"grep": words.line(1)[:2]},
        "history --grep --runtime (small)": lambda: {"grep": words.line(1), "runtime": small},
        "history --grep --status error": lambda: {"grep": words.line(1), "status": ["error"]},
        "list by cell": lambda: {
            "cell": {"notebook": "work.ipynb", "id": f"cell-{seed.randrange(CELLS)}"},
            "limit": 1,
        },
    }
    for name, ask in lists.items():
        yield name, "execution.list", lambda ask=ask: {"limit": 50, **ask()}  # type: ignore[misc]
    searches: dict[str, Callable[[], dict[str, Any]]] = {
        "search merge dataframe": lambda: {"query": "merge dataframe"},
        "search, one word, often": lambda: {"query": "import"},
        "search, two words": lambda: {"query": words.line(2)},
        "search, three words": lambda: {"query": words.line(3)},
        "search, a phrase": lambda: {"query": f'"{words.line(2)}"'},
        "search, a prefix": lambda: {"query": f"{words.line(1)[:4]}*"},
        "search, a short prefix": lambda: {"query": f"{words.line(1)[:2]}*"},
        "search --runtime (small)": lambda: {"query": words.line(1), "runtime": small},
        "search --runtime (large)": lambda: {"query": words.line(1), "runtime": large},
        "search --status error": lambda: {"query": words.line(1), "status": ["error"]},
        "search --since": lambda: {"query": words.line(1), "since": at(90 * _DAY_MS)},
    }
    for name, ask in searches.items():
        yield name, "execution.search", lambda ask=ask: {"limit": 10, **ask()}  # type: ignore[misc]
    ids = [execution["id"] for execution in found]
    yield "show", "execution.get", lambda: {"execution": seed.choice(ids)}
    yield (
        "rerun's look-up, by a short id",
        "execution.get",
        lambda: {"execution": short(seed.choice(ids)), "outputs": False},
    )
    yield "pin", "execution.pin", lambda: {"execution": seed.choice(ids)}
    yield "status", "daemon.status", dict
