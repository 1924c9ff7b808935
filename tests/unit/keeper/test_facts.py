"""What records add up to: live, and read back from the last segment alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtimed.keeper.facts import Facts, Phase
from runtimed.keeper.headers import (
    DELIMITER,
)
from runtimed.wire.journal import Event, Kind

SPAWNING = {
    "event": Event.SPAWNING,
    "incarnation": 1,
    "argv": ["k"],
    "cwd": "/",
    "connection_file": "/c.json",
    "stdout": None,
    "stderr": None,
}
OPENING = {
    "event": Event.OPENING,
    "incarnation": 2,
    "pid": 7,
    "start_time": 70,
    "boot_id": "b",
    "connection_file": "/c.json",
    "launched": True,
    "channels": [],
}
SPAWNED = {"event": Event.SPAWNED, "pid": 7, "start_time": 70, "boot_id": "b"}


def message(
    type_: str, content: dict[str, Any], parent: str, parent_type: str = "execute_request"
) -> list[bytes]:
    parts: tuple[dict[str, Any], ...] = (
        {"msg_type": type_},
        {"msg_id": parent, "msg_type": parent_type},
        {},
        content,
    )
    return [b"topic", DELIMITER, b"sig", *(json.dumps(part).encode() for part in parts), b"buffer"]


def on_subshell(frames: list[bytes]) -> list[bytes]:
    """Return the message as what was executed on a subshell says it."""
    parent = json.loads(frames[4]) | {"subshell_id": "s1"}
    return [*frames[:4], json.dumps(parent).encode(), *frames[5:]]


def status(state: str, parent: str, parent_type: str = "execute_request") -> list[bytes]:
    return message("status", {"execution_state": state}, parent, parent_type)


def receive(facts: Facts, channel: str, frames: list[bytes]) -> None:
    facts.apply(Kind.RECV, {"c": channel, "i": 1}, frames)


def send(facts: Facts, id: str, channel: str = "shell") -> None:
    facts.apply(Kind.SENT, {"c": channel, "i": 1, "id": id}, [])


def request(msg_id: str) -> list[bytes]:
    return [DELIMITER, b"", json.dumps({"msg_id": msg_id}).encode(), b"{}", b"{}", b"{}"]


def reopen(facts: Facts, pid: int = 7) -> None:
    facts.apply(Kind.EVENT, {**OPENING, "pid": pid}, [])


def rotate(facts: Facts) -> None:
    facts.apply(Kind.EVENT, json.loads(json.dumps(facts.segment())), [])


def spawned() -> Facts:
    facts = Facts()
    facts.apply(Kind.EVENT, SPAWNING, [])
    facts.apply(Kind.EVENT, SPAWNED, [])
    return facts


def test_an_id_is_remembered_for_as_long_as_it_is_unanswered() -> None:
    facts = spawned()
    send(facts, "a")
    for _ in range(5):
        rotate(facts)
        assert facts.was_sent("a")
    assert facts.has_unanswered


def test_an_answered_id_is_remembered_for_one_more_segment() -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "shell", message("execute_reply", {}, "a"))
    assert facts.was_sent("a")
    assert not facts.has_unanswered
    rotate(facts)
    assert facts.was_sent("a")
    rotate(facts)
    assert not facts.was_sent("a")


def test_an_answer_to_input_is_remembered_for_a_segment() -> None:
    facts = spawned()
    send(facts, "i", "stdin")
    rotate(facts)
    assert facts.was_sent("i")
    assert not facts.has_unanswered


def test_what_did_not_reach_the_socket_was_not_sent() -> None:
    facts = spawned()
    send(facts, "a")
    facts.apply(Kind.EVENT, {"event": Event.UNSENT, "id": "a"}, [])
    assert not facts.was_sent("a")


def test_only_an_answer_on_shell_or_control_answers() -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "iopub", message("execute_result", {}, "a"))
    assert facts.has_unanswered


def test_an_interrupt_reaches_only_what_is_busy() -> None:
    facts = spawned()
    assert not facts.is_running("a")
    receive(facts, "iopub", status("busy", "a"))
    assert facts.is_running("a")
    receive(facts, "iopub", status("idle", "a"))
    assert not facts.is_running("a")


def test_nor_what_has_answered_though_its_idle_is_late() -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "iopub", status("busy", "a"))
    assert facts.is_running("a")
    receive(facts, "shell", message("execute_reply", {"status": "ok"}, "a"))
    assert not facts.is_running("a")


def test_a_request_on_control_does_not_hide_the_running_execution() -> None:
    facts = spawned()
    receive(facts, "iopub", status("busy", "a"))
    receive(facts, "iopub", status("busy", "k", "kernel_info_request"))
    assert facts.is_running("a")


def test_a_later_execution_protects_itself_from_an_interrupt_for_an_earlier_one() -> None:
    facts = spawned()
    receive(facts, "iopub", status("busy", "a"))  # and its idle was never seen
    receive(facts, "iopub", status("busy", "b"))
    assert not facts.is_running("a")
    assert facts.is_running("b")


def test_what_an_execution_says_shows_that_it_runs_though_its_busy_was_missed() -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "iopub", message("stream", {"text": "tick"}, "a"))
    assert facts.is_running("a")
    receive(facts, "iopub", status("idle", "a"))
    receive(facts, "iopub", message("stream", {"text": "a thread"}, "a"))
    assert not facts.is_running("a"), "what is over may print, and does not run"


def test_who_asks_a_question_runs() -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "stdin", message("input_request", {}, "a"))
    assert facts.is_running("a")


def test_what_a_thread_of_an_answered_execution_says_is_not_its_busy() -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "shell", message("execute_reply", {}, "a"))
    receive(facts, "iopub", message("stream", {}, "a"))
    assert not facts.is_running("a")


def test_what_may_have_begun_while_nobody_listened_can_be_interrupted() -> None:
    facts = spawned()
    send(facts, "a")
    assert not facts.is_running("a"), "its busy will come"
    reopen(facts)
    assert facts.is_running("a")
    assert not facts.is_running("b")


def test_what_is_sent_before_anything_was_heard_again_may_begin_unheard() -> None:
    facts = spawned()
    reopen(facts)
    send(facts, "a")
    assert facts.is_running("a")
    receive(facts, "iopub", status("busy", "k", "kernel_info_request"))
    receive(facts, "shell", message("execute_reply", {}, "a"))
    send(facts, "b")
    assert not facts.is_running("a")
    assert not facts.is_running("b"), "by now it is heard to begin"


def test_what_is_answered_does_not_run_though_its_idle_was_missed() -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "iopub", status("busy", "a"))
    receive(facts, "shell", message("execute_reply", {}, "a"))
    send(facts, "b")
    reopen(facts)
    assert facts.is_running("b")
    assert not facts.is_running("a")


@pytest.mark.parametrize("reason", ["another of ours", "foreign", "foreign output", "process"])
def test_what_may_have_begun_unheard_is_not_interrupted_where_another_may_run(reason: str) -> None:
    facts = spawned()
    send(facts, "a")
    if reason == "another of ours":
        send(facts, "b")
    reopen(facts, pid=8 if reason == "process" else 7)
    if reason == "foreign":
        receive(facts, "iopub", status("busy", "f"))
    if reason == "foreign output":
        receive(facts, "iopub", message("stream", {}, "f"))
    assert not facts.is_running("a")
    assert not facts.is_running("b")


def test_a_thread_of_what_may_be_over_does_not_have_the_next_interrupted() -> None:
    facts = spawned()
    send(facts, "a")
    send(facts, "b")
    reopen(facts)
    receive(facts, "iopub", message("stream", {}, "a"))
    assert not facts.is_running("a"), "b may have begun"
    receive(facts, "iopub", status("busy", "f"))
    receive(facts, "iopub", message("stream", {}, "b"))
    assert not facts.is_running("b"), "f is busy"
    assert facts.is_running("f")


def test_what_prepares_an_execution_belongs_to_it() -> None:
    facts = spawned()
    send(facts, "a.1.setup")
    send(facts, "a.1")
    reopen(facts)
    assert facts.is_running("a.1")
    assert not facts.is_running("a.1.setup")


@pytest.mark.parametrize("channel", ["shell", "iopub"])
def test_a_request_that_is_answered_shows_that_those_before_it_are_over(channel: str) -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "iopub", status("busy", "a"))
    send(facts, "b")
    reopen(facts)
    facts.apply(Kind.SENT, {"c": "shell", "i": 2}, request("barrier"))
    kernel_info = "kernel_info_request"
    if channel == "shell":
        receive(facts, "shell", message("kernel_info_reply", {}, "barrier", kernel_info))
    else:
        receive(facts, "iopub", status("idle", "barrier", kernel_info))
    assert not facts.is_running("a")
    assert not facts.is_running("b")
    assert facts.was_sent("b")


def test_a_new_process_runs_nothing_of_the_old_one() -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "iopub", status("busy", "a"))
    facts.apply(Kind.EVENT, {"event": Event.EXITED}, [])
    assert facts.phase == Phase.EXITED
    assert not facts.is_running("a")
    assert facts.was_sent("a")
    assert not facts.has_unanswered


def test_other_displays_of_status_are_not_taken_for_one() -> None:
    facts = spawned()
    receive(facts, "iopub", message("stream", {"text": '"status"'}, "a"))
    receive(facts, "iopub", [b"junk"])
    receive(facts, "iopub", [b"t", DELIMITER, b"s", b'{"msg_type":"status"', b"[", b"", b"null"])
    assert facts.busy == {}


def test_what_runs_on_a_subshell_is_no_later_execution_and_is_not_what_an_interrupt_reaches() -> (
    None
):
    facts = spawned()
    receive(facts, "iopub", status("busy", "a"))
    receive(facts, "iopub", on_subshell(status("busy", "s")))
    assert facts.is_running("a")
    assert not facts.is_running("s")
    receive(facts, "iopub", on_subshell(status("idle", "s")))
    assert facts.is_running("a")


def test_what_is_sent_to_a_subshell_has_no_place_in_the_shells_queue() -> None:
    facts = spawned()
    send(facts, "a")
    receive(facts, "iopub", status("busy", "a"))
    header = json.dumps({"msg_id": "s", "subshell_id": "s1"}).encode()
    frames = [DELIMITER, b"", header, b"{}", b"{}", b"{}"]
    facts.apply(Kind.SENT, {"c": "shell", "i": 1, "id": "s"}, frames)
    assert facts.was_sent("s")
    receive(facts, "iopub", on_subshell(message("stream", {}, "s")))
    receive(facts, "shell", on_subshell(message("execute_reply", {}, "s")))
    assert facts.is_running("a"), "an answer from beside the queue says nothing of who is in it"
    reopen(facts)
    facts.apply(Kind.SENT, {"c": "shell", "i": 2, "id": "t"}, frames)
    assert facts.is_running("a")
    assert not facts.is_running("t")


def test_a_subshell_id_of_null_is_the_main_shell() -> None:
    facts = spawned()
    receive(facts, "iopub", status("busy", "a"))
    frames = status("busy", "b")
    frames[4] = json.dumps(json.loads(frames[4]) | {"subshell_id": None}).encode()
    receive(facts, "iopub", frames)
    assert not facts.is_running("a")
    assert facts.is_running("b")


def test_recording_outlives_segments_and_processes() -> None:
    facts = spawned()
    assert facts.record == "all"
    meta = {"event": Event.RECORDING, "incarnation": 1, "record": "off", "session": "ours"}
    facts.apply(Kind.EVENT, meta, [])
    rotate(facts)
    facts.apply(Kind.EVENT, {"event": Event.EXITED}, [])
    facts.apply(Kind.EVENT, SPAWNING, [])
    recovered = Facts()
    recovered.apply(Kind.EVENT, json.loads(json.dumps(facts.segment())), [])
    assert (recovered.record, recovered.session) == ("off", "ours")


def test_the_head_of_an_older_journal_is_read() -> None:
    head = spawned().segment()
    del head["record"], head["session"]
    facts = Facts()
    facts.apply(Kind.EVENT, head, [])
    assert (facts.record, facts.pid) == ("all", 7)
