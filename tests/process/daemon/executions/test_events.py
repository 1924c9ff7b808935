"""Subscriptions: everything after a cursor, once, in order, and then live."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from ulid import ULID

from runtimed.client.connecting import CallFailed
from runtimed.model.outputs import fold
from tests.harness.daemon import Daemon, State
from tests.process.daemon.executions.conftest import Repl
from tests.process.daemon.story import text, wait_for_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.client.lines import LineClient

STORM = (
    "import sys\nfrom IPython.display import display\n"
    "for i in range({n}):\n    print(i, flush=True)\n"
    "    if i % 7 == 0: display({{'text/plain': str(i)}}, raw=True)\n"
)


def until_final(client: LineClient, execution: str) -> list[Any]:
    """Take events up to the execution's last one."""
    seen = []
    for notification in client.notifications():
        event = notification["params"]
        if event["type"] == "lagged":
            # Even a quick reader may be descheduled for too long; it goes on as it may.
            client.call("events.subscribe", {"since": event["cursor"]})
            continue
        seen.append(event)
        if event["execution"] == execution and event["data"].get("execution_end"):
            return seen
    raise AssertionError("the subscription ended")


def seqs(events: list[Any]) -> list[int]:
    return [event["seq"] for event in events]


def bare(events: list[Any]) -> list[Any]:
    """Return the events without what differs between subscriptions."""
    return [{k: v for k, v in event.items() if k != "subscription"} for event in events]


def test_two_subscribers_see_the_same_and_what_the_store_has(repl: Repl) -> None:
    with repl.daemon.state.connection() as one, repl.daemon.state.connection() as two:
        cursor = one.call("events.subscribe")["cursor"]
        two.call("events.subscribe", {"since": cursor})
        last = [repl.submit(STORM.format(n=300)) for _ in range(3)][-1]
        seen = until_final(one, last)
        assert bare(until_final(two, last)) == bare(seen)
    first = int(cursor.partition(".")[2]) + 1
    assert seqs(seen) == list(range(first, first + len(seen)))
    with repl.daemon.state.connection() as later:
        later.call("events.subscribe", {"since": cursor})
        assert bare(until_final(later, last)) == bare(seen)
    assert [event["cursor"] for event in seen] == [
        f"{cursor.partition('.')[0]}.{seq}" for seq in seqs(seen)
    ]


def test_events_folded_by_a_client_are_the_outputs(repl: Repl) -> None:
    code = (
        "from IPython.display import display, clear_output, update_display\n"
        "print('gone'); clear_output(); print('a', flush=True); print('b')\n"
        "import sys; print('e', file=sys.stderr)\n"
        "display({'text/plain': 'old'}, raw=True, display_id='d')\n"
        "update_display({'text/plain': 'new'}, raw=True, display_id='d')\n"
        "clear_output(wait=True); print('kept')\n"
        "display({'text/plain': 'old'}, raw=True, display_id='d')\n"
        "update_display({'text/plain': 'newer'}, raw=True, display_id='d')\n1 / 0"
    )
    with repl.daemon.state.connection() as client:
        client.call("events.subscribe", {"types": ["output", "execution"]})
        done = repl.eval(code)
        events = until_final(client, done["id"])
    operations = [event["data"] for event in events if event["type"] == "output"]
    assert fold(operations) == done["outputs"]
    assert [output["output_type"] for output in done["outputs"]] == [
        "stream",
        "display_data",
        "error",
    ]
    assert done["outputs"][1]["data"] == {"text/plain": "newer"}


def test_a_subscription_in_the_middle_of_a_storm_has_no_gap(repl: Repl) -> None:
    """Each from another point, each by another way: what they see is one and the same order."""
    start = repl.daemon.call("daemon.status")["cursor"]
    go = repl.daemon.state.project / "all-subscribed"
    half = "import os, time\nfor i in range({a}, {b}): print(i, flush=True)\n"
    wait = f"while not os.path.exists({str(go)!r}): print(end=' ', flush=True); time.sleep(0.001)\n"
    storm = repl.submit(half.format(a=0, b=2000) + wait + half.format(a=2000, b=4000))
    wait_for_status(repl.daemon, storm, "running")
    seen: dict[str, list[Any]] = {}
    subscribed = threading.Semaphore(0)

    def watch(name: str, since: str | None) -> None:
        with repl.daemon.state.connection() as client:
            begun = client.call("events.subscribe", {"since": since})
            subscribed.release()
            events = until_final(client, storm)
            seen[name] = bare(events)
            first = int((since or begun["cursor"]).partition(".")[2]) + 1
            assert events[0]["seq"] == first

    threads = []
    for i in range(10):
        since = None if i % 3 == 0 else repl.daemon.call("daemon.status")["cursor"]
        since = start if i % 3 == 1 else since
        threads.append(threading.Thread(target=watch, args=(f"w{i}", since)))
        threads[-1].start()
    for _ in threads:
        # Who subscribes from now on would wait for ever for a storm that is over.
        assert subscribed.acquire(timeout=60)
    go.touch()
    for thread in threads:
        thread.join()
    assert len(seen) == 10
    with repl.daemon.state.connection() as client:
        client.call("events.subscribe", {"since": start})
        stored = bare(until_final(client, storm))
    assert seqs(stored) == list(range(stored[0]["seq"], stored[-1]["seq"] + 1))
    for events in seen.values():
        assert events == stored[-len(events) :]
    printed = "".join(e["data"].get("text", "") for e in stored if e["type"] == "output")
    assert printed.split() == [str(i) for i in range(4000)]


def test_filters(repl: Repl) -> None:
    other = Repl(repl.daemon, repl.daemon.call("runtime.start", kernel_name="python3")["id"])
    start = repl.daemon.call("daemon.status")["cursor"]
    mine, foreign = repl.eval("print(1)")["id"], other.eval("print(2)")["id"]
    last = repl.eval("print(3)")["id"]

    def seen(**filters: Any) -> list[Any]:
        """What the store has, and the same live: both must be filtered alike."""
        with repl.daemon.state.connection() as stored:
            stored.call("events.subscribe", {"since": start, **filters})
            stored.call("events.subscribe", {"since": start})
            subscriptions: dict[str, list[Any]] = {}
            for notification in stored.notifications():
                event = notification["params"]
                subscriptions.setdefault(event["subscription"], []).append(event)
                if event["seq"] == int(end.partition(".")[2]) and len(subscriptions) == 2:
                    break
                if event["seq"] == int(end.partition(".")[2]) and not expected(filters):
                    break
            first = sorted(subscriptions, key=lambda name: int(name[1:]))[0]
            return subscriptions[first]

    def expected(filters: dict[str, Any]) -> list[int]:
        return [event["seq"] for event in everything if fits(event, filters)]

    def fits(event: Any, filters: dict[str, Any]) -> bool:
        return (
            filters.get("runtime") in (None, event["runtime"])
            and filters.get("execution") in (None, event["execution"])
            and (filters.get("types") is None or event["type"] in filters["types"])
        )

    end = repl.daemon.call("daemon.status")["cursor"]
    everything: list[Any] = []
    with repl.daemon.state.connection() as client:
        client.call("events.subscribe", {"since": start})
        for notification in client.notifications():
            everything.append(notification["params"])
            if everything[-1]["cursor"] == end:
                break
    for filters in (
        {"runtime": repl.id},
        {"execution": mine},
        {"execution": foreign, "runtime": other.id},
        {"types": ["output"]},
        {"types": ["execution"], "execution": last},
        {"types": ["output", "execution"], "runtime": other.id},
    ):
        wanted = expected(filters)
        assert wanted, filters
        assert seqs(seen(**filters))[: len(wanted)] == wanted
    repl.daemon.call("runtime.kill", runtime=other.id)


def test_an_execution_of_another_runtime_has_no_events(repl: Repl) -> None:
    """Stored and live filters agree, also where nothing fits both."""
    other = repl.daemon.call("runtime.start", kernel_name="python3")["id"]
    execution = repl.eval("1")["id"]
    with repl.daemon.state.connection() as client:
        client.call(
            "events.subscribe", {"since": "start", "runtime": other, "execution": execution}
        )
        client.call("events.subscribe", {"types": ["runtime"]})
        repl.daemon.call("runtime.kill", runtime=other)
        first = next(client.notifications())["params"]
        assert (first["type"], first["runtime"]) == ("runtime", other)


def test_an_execution_that_does_not_exist_yet(repl: Repl) -> None:
    identity = str(ULID())
    with repl.daemon.state.connection() as client:
        client.call("events.subscribe", {"execution": identity.lower()})
        repl.eval("1", id=identity)
        statuses = [
            e["data"]["status"] for e in until_final(client, identity) if e["data"].get("status")
        ]
    assert statuses[0] == "queued"
    assert statuses[-1] == "done"


def test_a_short_id_is_a_filter_of_what_is_there(repl: Repl) -> None:
    short = repl.eval("1")["id"][-8:].lower()
    assert repl.daemon.call("events.subscribe", execution=short)["subscription"]
    with pytest.raises(CallFailed) as refused:
        repl.daemon.call("events.subscribe", execution="nothing!")
    assert refused.value.name == "InvalidParams"


def test_types_that_are_none(repl: Repl) -> None:
    with pytest.raises(CallFailed) as refused:
        repl.daemon.call("events.subscribe", types=["output", "nonsense"])
    assert refused.value.name == "InvalidParams"


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "", "zzzzzzzz.1", "{epoch}.999999999", "{epoch}.", "{epoch}.-1", "{epoch}.x",
     "{epoch}." + "9" * 5000, "{epoch}.1.2", "{epoch}.\u0661"],
)  # fmt: skip
def test_cursors_that_are_not_ours(repl: Repl, cursor: str) -> None:
    epoch = repl.daemon.call("daemon.status")["cursor"].partition(".")[0]
    with pytest.raises(CallFailed) as refused:
        repl.daemon.call("events.subscribe", since=cursor.format(epoch=epoch))
    assert refused.value.name == "StaleCursor"


def test_from_the_start(repl: Repl) -> None:
    last = repl.eval("1")["id"]
    with repl.daemon.state.connection() as client:
        client.call("events.subscribe", {"since": "start"})
        events = until_final(client, last)
    assert seqs(events) == list(range(1, len(events) + 1))


def test_unsubscribe(repl: Repl) -> None:
    with repl.daemon.state.connection() as client:
        gone = client.call("events.subscribe")["subscription"]
        kept = client.call("events.subscribe")["subscription"]
        client.call("events.unsubscribe", {"subscription": gone})
        last = repl.eval("print(1)")["id"]
        assert {event["subscription"] for event in until_final(client, last)} == {kept}
        for unknown in (gone, "s0", ""):
            with pytest.raises(CallFailed) as refused:
                client.call("events.unsubscribe", {"subscription": unknown})
            assert refused.value.name == "InvalidParams"
    with repl.daemon.state.connection() as stranger, pytest.raises(CallFailed):
        stranger.call("events.unsubscribe", {"subscription": kept})


def test_fifty_subscribers(repl: Repl) -> None:
    clients = []
    try:
        for _ in range(50):
            context = repl.daemon.state.connection()
            client = context.__enter__()
            clients.append((context, client))
            client.call("events.subscribe")
        last = repl.submit(STORM.format(n=500))
        seen = [bare(until_final(client, last)) for _, client in clients]
    finally:
        for context, _ in clients:
            context.__exit__(None, None, None)
    assert all(events == seen[0] for events in seen)
    assert text(repl.final(last)).split() == [str(i) for i in range(500)]


@pytest.fixture(scope="module")
def narrow() -> Iterator[Repl]:
    """A daemon that has little patience with slow readers."""
    state = State.create()
    daemon = Daemon(state, {"RUNTIMED_SUBSCRIBER_BYTES": "200000"}).start()
    try:
        yield Repl(daemon, daemon.call("runtime.start", kernel_name="python3")["id"])
    finally:
        daemon.dispose()
        state.dispose()


def test_a_reader_that_stops_is_ended_and_resumes_without_loss(narrow: Repl) -> None:
    """And nobody else notices: another subscriber sees all, calls are answered meanwhile."""
    daemon = narrow.daemon
    line = "x" * 500
    with daemon.state.connection() as slow, daemon.state.connection() as quick:
        start = slow.call("events.subscribe")["cursor"]
        quick.call("events.subscribe", {"since": start})
        storm = narrow.submit(f"for i in range(10_000): print(i, {line!r}, flush=True)")
        seen_by_quick = until_final(quick, storm)
        assert daemon.call("daemon.status")["pid"] == daemon.pid
        seen = []
        lagged = None
        for notification in slow.notifications():
            event = notification["params"]
            if event["type"] == "lagged":
                lagged = event
                break
            seen.append(event)
        assert lagged is not None
        assert lagged["seq"] == seen[-1]["seq"] < seen_by_quick[-1]["seq"]
        assert lagged["cursor"] == seen[-1]["cursor"]
        # The same connection may go on, and nothing more comes of the old subscription.
        slow.call("events.subscribe", {"since": lagged["cursor"]})
        while seen[-1]["seq"] < seen_by_quick[-1]["seq"]:
            for notification in slow.notifications():
                event = notification["params"]
                if event["type"] == "lagged":
                    slow.call("events.subscribe", {"since": event["cursor"]})
                    continue
                assert event["subscription"] != lagged["subscription"]
                seen.append(event)
                if seen[-1]["seq"] == seen_by_quick[-1]["seq"]:
                    break
        assert bare(seen) == bare(seen_by_quick)
    done = narrow.final(storm)
    printed = "".join(event["data"].get("text", "") for event in seen if event["type"] == "output")
    assert printed == "".join(f"{i} {line}\n" for i in range(10_000))
    assert done["status"] == "done"


def test_memory_is_bounded_however_many_stop_reading(narrow: Repl) -> None:
    daemon = narrow.daemon
    before = daemon.call("daemon.status")["rss_bytes"]
    stopped = [daemon.state.connection() for _ in range(20)]
    clients = [context.__enter__() for context in stopped]
    try:
        for client in clients:
            client.call("events.subscribe", {"since": "start"})
        line = "y" * 1000
        narrow.eval(f"for i in range(10_000): print({line!r}, flush=True)")
        grown = daemon.call("daemon.status")["rss_bytes"] - before
        assert grown < 100_000_000
    finally:
        for context in stopped:
            context.__exit__(None, None, None)


def test_a_single_event_larger_than_the_patience_arrives(narrow: Repl) -> None:
    """Live it ends the subscription; from the cursor of its end, it comes."""
    with narrow.daemon.state.connection() as client:
        client.call("events.subscribe", {"types": ["output"]})
        done = narrow.eval("raise ValueError('z' * 300_000)")
        for notification in client.notifications():
            event = notification["params"]
            if event["type"] == "lagged":
                client.call("events.subscribe", {"since": event["cursor"], "types": ["output"]})
                continue
            assert event["execution"] == done["id"]
            assert event["data"]["output"]["evalue"] == "z" * 300_000
            break
