"""What one record changes, decided without a kernel: mostly what kernels seldom do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runtimed.kernels.effects import Finished, Unsettled
from runtimed.kernels.foreign import EXECUTION
from runtimed.kernels.intake import Intake
from runtimed.kernels.messages import Message
from runtimed.kernels.prepare import Prepared
from runtimed.kernels.reasons import describe_exit
from runtimed.kernels.state import RuntimeState
from runtimed.model.execution import Progress
from runtimed.model.outputs import OUTPUT_MESSAGES, operation
from runtimed.recorder import Batch
from runtimed.store.executions import ExecutionRow
from runtimed.store.runtimes import RuntimeRow
from runtimed.wire.journal import Kind, Record

SESSION = "ours"
IDS = [f"01M81X4784J9F4R7APJM7M9EW{n}" for n in "ABC"]


class Story:
    """A runtime with three queued executions, and what is recorded of them."""

    def __init__(self, **fields: Any) -> None:
        row = RuntimeRow(
            id="R", name="r", kernel_name="k", language="x", origin="launched", status="alive",
            incarnation=1, pid=1, start_time=1, boot_id="b", connection_file="/c", transport="ipc",
            ip=None, private=True, environment=None, environment_key="", project=None,
            implicit=False, cwd="/", idle_stop_s=None, created_ms=0, ended_ms=None, exit=None,
            notices=[], launch={}, journal_offset=0, removed_ms=None,
        )  # fmt: skip
        self.state = RuntimeState(row)
        self.rows = [
            ExecutionRow(
                id=identity, runtime_id="R", code="", queued_ms=0, requested_by={}, **fields
            )
            for identity in IDS
        ]
        self.state.executions = {row.id: row for row in self.rows}
        self.shown: dict[str, list[str]] = {}
        self.stored: dict[str, str] = {}
        self.intake = Intake(
            self.state, SESSION, lambda display: self.shown.get(display, []), self.stored.get
        )
        self.batch = Batch(1)

    def sent(self, number: int) -> None:
        meta = {"id": f"{IDS[number]}.{self.rows[number].progress.attempt}", "i": 1}
        self.intake.take(Prepared(Record(Kind.SENT, 0, meta, [])), self.batch)

    def said(
        self, channel: str, msg_type: str, number: int, session: str = SESSION, **content: Any
    ) -> list[Any]:
        """Take in what the kernel says of the execution's first attempt."""
        message = Message(
            msg_type, "m", "k", f"{IDS[number]}.1", session, EXECUTION, content, {}, []
        )
        prepared = Prepared(Record(Kind.RECV, 0, {"c": channel, "i": 1}, []), message)
        if channel == "iopub" and msg_type in OUTPUT_MESSAGES:
            prepared.operations = [operation(msg_type, content)]
        return self.intake.take(prepared, self.batch)

    def statuses(self, number: int) -> list[str]:
        """Return the statuses announced of the execution."""
        return [
            data["status"]
            for _, type_, _, execution, data, _ in self.batch.events
            if type_ == "execution" and execution == IDS[number]
        ]


def test_a_kernels_end_ends_each_once_also_in_a_group() -> None:
    story = Story(group="g")
    story.sent(0)
    story.said("iopub", "execute_input", 0, execution_count=1)
    effects = story.intake.end_process({"code": 1}, 5, story.batch)
    assert [effect.row.id for effect in effects if isinstance(effect, Finished)] == IDS
    assert [story.statuses(n)[-1:] for n in range(3)] == [
        ["kernel_died"], ["cancelled"], ["cancelled"],
    ]  # fmt: skip
    assert [len(story.statuses(n)) for n in range(3)] == [2, 1, 1]


def test_an_aborted_attempt_leaves_no_trace() -> None:
    story = Story()
    story.sent(0)
    story.said("iopub", "status", 0, execution_state="busy")
    assert story.rows[0].status == "running"
    story.said("shell", "execute_reply", 0, status="aborted")
    row = story.rows[0]
    assert (row.progress, row.started_ms) == (Progress(attempt=2), None)
    story.said("iopub", "status", 0, execution_state="idle")  # of the first attempt
    assert row.progress == Progress(attempt=2)
    assert not story.state.is_dispatched(row)


def test_what_was_only_set_up_is_not_dispatched_but_to_be_taken_back() -> None:
    story = Story(stdin="x")
    story.state.posted = IDS[0]
    story.intake.take(
        Prepared(Record(Kind.SENT, 0, {"id": f"{IDS[0]}.1.setup", "i": 7}, [])), story.batch
    )
    assert not story.rows[0].progress.is_dispatched
    assert story.state.sent is None
    assert story.rows[0].incarnation == 7
    assert IDS[0] in story.batch.changed


def test_a_gap_is_on_what_was_sent_and_not_on_what_is_to_be() -> None:
    story = Story()
    lost = Prepared(Record(Kind.EVENT, 0, {"event": "gap", "reason": "keeper_down"}, []))
    story.state.posted = IDS[0]
    story.intake.take(lost, story.batch)
    assert story.rows[0].gap is None
    story.sent(0)
    story.intake.take(lost, story.batch)
    assert story.rows[0].gap is not None


def test_a_gap_erases_none_before_it() -> None:
    story = Story()
    storm(story)
    for second in (1, 3):
        meta: dict[str, Any] = {"event": "gap", "reason": "keeper_down"}
        meta |= {"from_ns": second * 10**9, "to_ns": (second + 1) * 10**9}
        story.intake.take(Prepared(Record(Kind.EVENT, 0, meta, [])), story.batch)
    for number in (*range(600), *range(700, 1300)):  # another 100, by a new connection
        numbered(story, number)
    gap = story.rows[0].gap
    assert gap is not None
    assert (gap["reason"], gap["from_at"] < gap["to_at"]) == ("keeper_down", True)
    assert [(part["reason"], part["count"]) for part in gap["parts"]] == [
        ("kernel_dropped", 400), ("keeper_down", None), ("keeper_down", None),
    ]  # fmt: skip


def test_half_of_the_end_is_unsettled() -> None:
    for first in (
        ("shell", "execute_reply", {"status": "ok"}),
        ("iopub", "status", {"execution_state": "idle"}),
    ):
        story = Story()
        story.sent(0)
        story.said("iopub", "execute_input", 0, execution_count=1)
        channel, msg_type, content = first
        (effect,) = story.said(channel, msg_type, 0, **content)
        assert isinstance(effect, Unsettled)


@pytest.mark.parametrize("count", ["7", 1.5, None, True, -1, 2**70, [1]])
def test_an_execution_count_that_is_none(count: Any) -> None:
    story = Story()
    story.sent(0)
    story.said("iopub", "execute_input", 0, execution_count=count)
    story.said("shell", "execute_reply", 0, status="ok", execution_count=count)
    assert story.rows[0].status == "running"
    assert story.rows[0].execution_count is None


@pytest.mark.parametrize("ename", [None, 3, ["KeyboardInterrupt"], {}])
def test_an_error_name_that_is_none_can_be_stored(ename: Any) -> None:
    story = Story()
    story.sent(0)
    story.said("iopub", "execute_input", 0)
    story.said("iopub", "error", 0, ename=ename, evalue=ename, traceback=ename)
    story.said("shell", "execute_reply", 0, status="error", ename=ename)
    story.said("iopub", "status", 0, execution_state="idle")
    progress = story.rows[0].progress
    assert progress.status == "error"
    assert msgspec.json.decode(msgspec.json.encode(progress), type=Progress) == progress


def test_what_is_no_message_is_counted() -> None:
    story = Story()
    bad = Prepared(Record(Kind.RECV, 0, {"c": "iopub"}, [b"x"]), bad="no delimiter")
    assert story.intake.take(bad, story.batch) == []
    assert story.intake.take(bad, story.batch) == []
    assert story.state.bad_messages == 2
    assert story.state.row.notices == ["something that it said is not shown: no delimiter"]


def test_output_of_a_final_one_is_recorded() -> None:
    story = Story()
    del story.state.executions[IDS[0]]
    story.said("iopub", "stream", 0, name="stdout", text="late")
    assert [(event[3], event[4]["text"]) for event in story.batch.events] == [(IDS[0], "late")]


def test_one_display_changes_each_that_shows_it() -> None:
    story = Story()
    story.shown = {"d": [IDS[2]]}
    shown: dict[str, Any] = {"data": {"a": "1"}, "metadata": {}, "transient": {"display_id": "d"}}
    story.said("iopub", "display_data", 0, **shown)
    story.said("iopub", "update_display_data", 1, session="theirs", **shown)
    changed = [(e[3], e[4]["op"]) for e in story.batch.events if e[1] == "output"]
    (theirs,) = story.state.foreign_open.values()
    assert changed == [
        (IDS[2], "update"), (IDS[0], "add"), (IDS[0], "update"), (IDS[2], "update"),
        (theirs.id, "update"),
    ]  # fmt: skip
    assert story.batch.displays == [("R", "d", IDS[0])]


def test_an_execution_of_anothers_begins_with_its_input_and_ends_with_its_idle() -> None:
    story = Story()
    story.said("iopub", "status", 1, session="s/1", execution_state="busy")
    assert story.state.foreign_open == {}
    assert story.state.activity == "busy"
    story.said("iopub", "execute_input", 1, session="s/1", code="1 / 0", execution_count=7)
    story.said("iopub", "error", 1, session="s/1", ename="E", evalue="", traceback=[])
    (row,) = story.state.foreign_open.values()
    assert (row.status, row.code, row.execution_count, row.gap) == ("running", "1 / 0", 7, None)
    assert row.requested_by == {"client": "foreign", "session": "s/1"}
    assert row.msg_id == f"{IDS[1]}.1"
    (finished,) = story.said("iopub", "status", 1, session="s/1", execution_state="idle")
    assert finished == Finished(row)
    assert (row.status, story.state.foreign_open, story.state.foreign) == ("error", {}, set())
    assert story.rows[1].status == "queued"
    story.said("iopub", "stream", 1, session="s/1", name="stdout", text="late")
    assert story.batch.events[-1][1:4] == ("output", "R", row.id)
    assert [new.id for new in story.batch.new] == [row.id]


def test_what_ended_long_ago_is_looked_up() -> None:
    story = Story()
    story.stored[f"theirs/{IDS[1]}.1"] = "known"
    story.said("iopub", "stream", 1, session="theirs", name="stdout", text="late")
    assert story.batch.events[-1][1:4] == ("output", "R", "known")
    assert story.batch.new == []


def test_anothers_of_which_the_beginning_was_missed_says_so() -> None:
    story = Story()
    story.said("iopub", "stream", 1, session="theirs", name="stdout", text="on")
    (row,) = story.state.foreign_open.values()
    assert (row.code, row.gap and row.gap["reason"]) == ("", "joined_late")
    assert story.state.activity == "busy"


def test_of_what_is_not_to_be_kept_only_the_activity_is_known() -> None:
    story = Story()
    story.state.row.record = "off"
    story.said("iopub", "status", 1, session="theirs", execution_state="busy")
    story.said("iopub", "execute_input", 1, session="theirs", code="1", execution_count=7)
    story.said("iopub", "stream", 1, session="theirs", name="stdout", text="on")
    assert (story.state.activity, story.batch.new, story.batch.events) == ("busy", [], [])
    story.said("iopub", "status", 1, session="theirs", execution_state="idle")
    assert story.state.activity == "idle"


def test_the_kernels_end_ends_anothers_too() -> None:
    story = Story()
    story.said("iopub", "execute_input", 1, session="theirs", code="1", execution_count=7)
    (row,) = story.state.foreign_open.values()
    story.intake.end_process({"signal": 9}, 5, story.batch)
    assert (row.status, row.progress.reason) == ("kernel_died", "the kernel was ended by SIGKILL")


@pytest.mark.parametrize(
    ("exit_", "words"),
    [
        ({"signal": 9}, "SIGKILL"),
        ({"signal": 37}, "signal 37"),
        ({"code": 0}, "status 0"),
        ({}, "not known"),
    ],
)
def test_an_exit_in_words(exit_: dict[str, Any], words: str) -> None:
    assert words in describe_exit(exit_)


def test_what_prints_runs_though_its_busy_was_missed() -> None:
    story = Story()
    story.said("iopub", "stream", 0, name="stdout", text="on")
    assert story.rows[0].status == "running"
    assert story.rows[0].progress.executing


def test_who_takes_our_session_for_its_own_is_foreign_all_the_same() -> None:
    story = Story()
    parent = "0b5c7a1e-uuid"
    for msg_type, content in (
        ("status", {"execution_state": "busy"}),
        ("execute_input", {"code": "1", "execution_count": 1}),
    ):
        message = Message(msg_type, "m", "k", parent, SESSION, EXECUTION, content, {}, [])
        story.intake.take(
            Prepared(Record(Kind.RECV, 0, {"c": "iopub", "i": 1}, []), message), story.batch
        )
    (row,) = story.state.foreign_open.values()
    assert (row.msg_id, story.state.activity) == (parent, "busy")


def test_what_a_process_ran_before_the_first_that_was_seen_is_counted() -> None:
    story = Story()
    story.state.is_fresh = True
    story.said("iopub", "execute_input", 1, session="theirs", code="1", execution_count=4)
    story.said("iopub", "execute_input", 2, session="theirs", code="2", execution_count=6)
    gaps = [event[3:5] for event in story.batch.events if event[1] == "gap"]
    assert [(execution, gap["reason"], gap["count"]) for execution, gap in gaps] == [
        (None, "joined_late", 3)
    ]


@pytest.mark.parametrize("how", ["asked", "heard", "neither"])
def test_a_process_that_is_no_child_was_shut_down(how: str) -> None:
    """By us, or by whoever its kernel was heard to obey."""
    story = Story()
    story.state.is_stopping, story.state.is_leaving = how == "asked", how == "heard"
    story.intake.end_process({"reason": "unknown"}, 5, story.batch)
    known = describe_exit(story.state.row.exit or {})
    assert ("was asked to shut down" in known) == (how != "neither")


def test_a_process_that_is_no_child_ended_by_the_signal_that_we_sent() -> None:
    story = Story()
    story.state.signalled = 9
    story.intake.end_process({"reason": "unknown"}, 5, story.batch)
    assert story.state.row.exit is not None
    assert (story.state.row.exit["signal"], story.state.row.exit["reason"]) == (9, "signal")


def numbered(story: Story, number: int, msg_type: str = "stream", **content: Any) -> None:
    message = Message(
        msg_type, f"k_9_{number}", "k", f"{IDS[0]}.1", SESSION, EXECUTION, content, {}, []
    )
    record = Record(Kind.RECV, 0, {"c": "iopub", "i": 1}, [])
    story.intake.take(Prepared(record, message), story.batch)


def storm(story: Story) -> None:
    """Two holes of 100 and 200, each after 600 messages."""
    story.sent(0)
    for begin in (0, 700, 1500):
        for number in range(begin, begin + 600):
            numbered(story, number)


def test_what_the_kernel_dropped_is_on_the_execution_and_announced_once() -> None:
    story = Story()
    storm(story)
    assert story.rows[0].gap is not None
    assert IDS[0] in story.batch.changed  # at once, though nobody was told yet
    numbered(story, 2100, "status", execution_state="idle")
    gap = {"reason": "kernel_dropped", "from_at": None, "to_at": None, "count": 300}
    assert story.rows[0].gap == gap
    told = [event[3:5] for event in story.batch.events if event[1] == "gap"]
    assert told == [(IDS[0], gap)]


@pytest.mark.parametrize(
    ("event", "is_new"),
    [
        ({"event": "gap", "reason": "keeper_down"}, True),
        ({"event": "disconnected", "incarnation": 1}, True),
        ({"event": "connected", "incarnation": 2}, True),
        ({"event": "connected", "incarnation": 2, "reason": "keeper_succeeded"}, False),
        ({"event": "recording", "record": "off"}, True),
    ],
)
def test_what_was_not_to_come_is_not_dropped(event: dict[str, Any], is_new: bool) -> None:
    story = Story()
    story.sent(0)
    for number in range(600):
        numbered(story, number)
    story.intake.take(Prepared(Record(Kind.EVENT, 0, event, [])), story.batch)
    before = story.rows[0].gap
    numbered(story, 5000, "status", execution_state="idle")
    assert (story.rows[0].gap == before) is is_new
