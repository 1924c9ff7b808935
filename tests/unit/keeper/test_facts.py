"""What records add up to: live, and read back from the last segment alone."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtimed.keeper.facts import Facts, Phase
from runtimed.keeper.headers import DELIMITER, content_index, parent_id, status_of
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


def status(state: str, parent: str, parent_type: str = "execute_request") -> list[bytes]:
    return message("status", {"execution_state": state}, parent, parent_type)


def receive(facts: Facts, channel: str, frames: list[bytes]) -> None:
    facts.apply(Kind.RECV, {"c": channel, "i": 1}, frames)


def send(facts: Facts, id: str, channel: str = "shell") -> None:
    facts.apply(Kind.SENT, {"c": channel, "i": 1, "id": id}, [])


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


names = st.sampled_from(list("abcdef"))
steps = st.one_of(
    st.tuples(st.just("send"), names, st.sampled_from(["shell", "stdin"])),
    st.tuples(st.just("reply"), names, st.just("shell")),
    st.tuples(st.sampled_from(["busy", "idle"]), names, st.just("iopub")),
    st.tuples(st.sampled_from(["respawn", "exit", "rotate"]), st.just(""), st.just("")),
)


def apply_step(
    facts: Facts, step: tuple[str, str, str]
) -> tuple[Kind, dict[str, Any], list[bytes]]:
    name, id, channel = step
    if name == "send":
        return Kind.SENT, {"c": channel, "i": 1, "id": id}, []
    if name == "reply":
        return Kind.RECV, {"c": channel, "i": 1}, message("execute_reply", {}, id)
    if name in ("busy", "idle"):
        return Kind.RECV, {"c": channel, "i": 1}, status(name, id)
    if name == "rotate":
        return Kind.EVENT, facts.segment(), []
    return Kind.EVENT, SPAWNING if name == "respawn" else {"event": Event.EXITED}, []


@given(st.lists(steps, max_size=40))
def test_the_last_segment_alone_gives_the_same_state(history: list[tuple[str, str, str]]) -> None:
    live = Facts()
    segment = [(Kind.EVENT, live.segment(), list[bytes]())]
    for step in history:
        record = apply_step(live, step)
        segment = [record] if step[0] == "rotate" else [*segment, record]
        live.apply(*record)
    recovered = Facts()
    for kind, meta, frames in segment:
        recovered.apply(kind, json.loads(json.dumps(meta)), frames)
    assert recovered == live


@given(st.lists(st.binary(max_size=12) | st.just(DELIMITER), max_size=9))
def test_any_frames_can_be_looked_at(frames: list[bytes]) -> None:
    index = content_index(frames)
    assert index is None or DELIMITER in frames[: index - 4]
    status_of(frames)
    parent_id(frames)
