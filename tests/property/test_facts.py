"""What a journal adds up to, whatever its history."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtimed.keeper.facts import Facts
from runtimed.keeper.headers import (
    DELIMITER,
    content_index,
    header_of,
    is_foreign,
    parent_of,
    status_of,
    without_content,
)
from runtimed.wire.journal import Event, Kind
from tests.unit.keeper.test_facts import OPENING, SPAWNED, SPAWNING, message, request, status

names = st.sampled_from(list("abcdef"))
steps = st.one_of(
    st.tuples(st.just("send"), names, st.sampled_from(["shell", "stdin"])),
    st.tuples(st.just("reply"), names, st.just("shell")),
    st.tuples(st.sampled_from(["busy", "idle", "stream"]), names, st.just("iopub")),
    st.tuples(st.just("barrier"), names, st.just("shell")),
    st.tuples(
        st.sampled_from(["respawn", "started", "reopen", "exit", "rotate", "record"]),
        st.just(""),
        st.just(""),
    ),
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
    if name == "stream":
        return Kind.RECV, {"c": channel, "i": 1}, message(name, {}, id)
    if name == "barrier":
        return Kind.SENT, {"c": channel, "i": 1}, request(id)
    events: dict[str, dict[str, Any]] = {
        "rotate": facts.segment(),
        "respawn": SPAWNING,
        "started": SPAWNED,
        "reopen": OPENING,
        "exit": {"event": Event.EXITED},
        "record": {"event": Event.RECORDING, "record": "metadata", "session": "ours"},
    }
    return Kind.EVENT, json.loads(json.dumps(events[name])), []


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
    assert [recovered.is_running(name) for name in "abcdef"] == [
        live.is_running(name) for name in "abcdef"
    ]


@given(st.lists(st.binary(max_size=12) | st.just(DELIMITER), max_size=9))
def test_any_frames_can_be_looked_at(frames: list[bytes]) -> None:
    index = content_index(frames)
    assert index is None or DELIMITER in frames[: index - 4]
    status_of(frames)
    parent_of(frames)
    header_of(frames)
    is_foreign(frames, "s")
    without_content(frames)
