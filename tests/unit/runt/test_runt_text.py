"""Outputs, ids, exit codes, tables: what becomes of documents, without any I/O."""

from __future__ import annotations

import base64
import os
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from runt import exits, outputs, render, shows
from runt.failures import Failure
from runt.ids import new_id, short
from runtimed.api import errors
from runtimed.api.types import FINAL

# -- ids


def test_ids_are_ulids_of_now() -> None:
    before = ULID()
    made = [new_id() for _ in range(100)]
    after = ULID()
    assert len(set(made)) == 100
    for id in made:
        assert before.milliseconds <= ULID.from_str(id).milliseconds <= after.milliseconds
        assert str(ULID.from_str(id)) == id


def test_short_ids_are_the_last_eight_characters() -> None:
    assert short("01J8ZQ4X8Y6D7N5K3M2P1R0S9T") == "2p1r0s9t"


# -- exit codes


def test_every_final_status_has_an_exit_code() -> None:
    assert set(exits.BY_STATUS) == FINAL


@pytest.mark.parametrize(
    ("status", "ename", "evalue", "code"),
    [
        ("done", None, None, 0),
        ("error", "ValueError", "0", 1),
        ("error", "SystemExit", "0", 0),
        ("error", "SystemExit", "", 0),
        ("error", "SystemExit", "None", 0),
        ("error", "SystemExit", "3", 1),
        ("interrupted", "KeyboardInterrupt", "", 130),
        ("cancelled", None, None, 1),
        ("lost", None, None, 1),
        ("kernel_died", None, None, 8),
    ],
)
def test_a_status_means(status: str, ename: str | None, evalue: str | None, code: int) -> None:
    assert exits.of_execution(status, ename, evalue) == code
    output = {"output_type": "error", "ename": ename, "evalue": evalue}
    document = {"status": status, "outputs": [output] if ename else []}
    assert exits.of_document(document) == code


def test_what_is_not_final_still_runs() -> None:
    assert exits.of_document({"status": "running", "outputs": []}) == exits.WAIT_EXPIRED


def test_codes_that_the_api_names_too_are_the_same() -> None:
    assert exits.CODE_RAISED == errors.EXIT_CODE_RAISED
    assert exits.WAIT_EXPIRED == errors.EXIT_WAIT_EXPIRED
    assert exits.INTERRUPTED == errors.EXIT_INTERRUPTED
    assert exits.STDOUT_CLOSED == errors.EXIT_STDOUT_CLOSED
    assert exits.UNREACHABLE == errors.DaemonUnreachable.exit_code
    assert exits.CONFLICT == errors.Conflict.exit_code
    assert exits.USAGE == errors.BadRequest.exit_code
    assert exits.KERNEL_DIED == errors.KernelDied.exit_code
    assert exits.INTERNAL == errors.Internal.exit_code


# -- outputs


def test_streams_go_where_they_came_from() -> None:
    assert outputs.of_output({"output_type": "stream", "name": "stdout", "text": "a"}) == (1, "a")
    assert outputs.of_output({"output_type": "stream", "name": "stderr", "text": "a"}) == (2, "a")


def test_errors_are_their_traceback_on_stderr() -> None:
    error = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["a", "b"]}
    assert outputs.of_output(error) == (2, "a\nb\n")
    assert outputs.of_output({**error, "traceback": []}) == (2, "E: v\n")


PNG = base64.b64encode(b"x" * 12_345).decode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"text/plain": "2", "text/html": "<b>2</b>"}, "2\n"),
        ({"text/plain": ["a\n", "b"]}, "a\nb\n"),
        ({"text/plain": "<Figure>", "image/png": PNG}, "<Figure>\n"),
        ({"image/png": PNG}, "<image/png, 12 KB>\n"),
        (
            {"image/png": {"blob": "0" * 64, "size_bytes": 2_500_000, "encoding": "base64"}},
            "<image/png, 2.5 MB>\n",
        ),
        ({"text/markdown": "# h"}, "# h\n"),
        ({"application/json": {"a": [1]}}, '{"a": [1]}\n'),
        ({"application/x-odd": "ab"}, "<application/x-odd, 2 B>\n"),
        ({}, ""),
    ],
)
def test_rich_outputs_are_shown_as_text(data: dict[str, Any], text: str) -> None:
    assert outputs.rich(data) == text


def test_a_gap_of_parts_says_what_is_known_of_each() -> None:
    away = {"reason": "keeper_down", "count": None}
    dropped = {"reason": "kernel_dropped", "count": 3}
    both = {**away, "parts": [dropped, away, away]}
    said = [shows.gap_sentence(gap).partition(" did not reach runtimed here ")
            for gap in (away, dropped, both)]  # fmt: skip
    assert [(what, why) for what, _, why in said] == [
        ("some output", "(keeper_down)"),
        ("3 messages", "(kernel_dropped)"),
        ("3 messages and more", "(kernel_dropped, keeper_down)"),
    ]


def test_sizes_are_rounded_as_people_read_them() -> None:
    sizes = [0, 999, 1000, 9949, 12_345, 999_499, 999_500, 1_000_000_000]
    shown = ["0 B", "999 B", "1.0 KB", "9.9 KB", "12 KB", "999 KB", "1.0 MB", "1.0 GB"]
    assert [outputs.size(n) for n in sizes] == shown


def test_blobs_that_are_text_are_found_and_put_back() -> None:
    big = {"blob": "aa" * 32, "size_bytes": 3, "encoding": "utf8"}
    image = {"blob": "bb" * 32, "size_bytes": 3, "encoding": "base64"}
    operation = {"op": "add", "output": {"data": {"text/plain": big, "image/png": image}}}
    assert outputs.blobs(operation) == [big]
    whole = outputs.with_blobs(operation, {"aa" * 32: "abc"})
    assert whole["output"]["data"] == {"text/plain": "abc", "image/png": image}


@pytest.mark.parametrize(
    ("encoding", "content", "value"),
    [("utf8", "é".encode(), "é"), ("json", b'{"a": 1}', {"a": 1}), ("base64", b"\xff", "/w==")],
)
def test_a_blob_stands_for(encoding: str, content: bytes, value: object) -> None:
    reference = {"blob": "aa" * 32, "size_bytes": len(content), "encoding": encoding}
    assert outputs.of_blob(reference, base64.b64encode(content).decode()) == value


# -- values


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"text/plain": "{'a': (1, None)}"}, '{"a": [1, null]}'),
        ({"text/plain": "'é'"}, '"é"'),
        ({"application/json": [1], "text/plain": "<JSON>"}, "[1]"),
        (None, "null"),
    ],
)
def test_values_have_a_json_form(data: dict[str, Any] | None, text: str) -> None:
    result = None if data is None else {"data": data}
    assert shows.value_text(result, "json") == text + "\n"


@pytest.mark.parametrize("text", ["<object at 0x1>", "nan", "{1: {2}}", "float('nan')", "x" * 99])
def test_values_without_a_json_form_are_an_error(text: str) -> None:
    with pytest.raises(Failure, match="the value has no JSON form: "):
        shows.value_text({"data": {"text/plain": text}}, "json")


def test_the_raw_value_is_its_text() -> None:
    assert shows.value_text({"data": {"text/plain": "'a'"}}, "text") == "'a'\n"
    assert shows.value_text(None, "text") == ""


# -- tables

RUNTIME = {
    "id": "01J8ZQ4X8Y6D7N5K3M2P1R0S9T",
    "short_id": "2p1r0s9t",
    "name": "lab",
    "kernel_name": "python3",
    "language": "python",
    "ip": None,
    "transport": "ipc",
    "connection_file": "/nowhere/kernel-1.json",
    "status": "alive",
    "exit": None,
    "origin": "launched",
    "owner": None,
    "record": "all",
    "activity": "idle",
    "pid": 7,
    "rss_bytes": 30_000_000,
    "cpu_percent": 1.4,
    "queue_length": 2,
    "private": True,
    "environment": None,
    "project": None,
}


def test_programs_get_tabs_and_one_header() -> None:
    lines = render.tabs([RUNTIME, RUNTIME], render.RUNTIME_COLUMNS).splitlines()
    assert lines[0].split("\t") == [
        "ID",
        "Name",
        "Kernel Name",
        "Language",
        "IP",
        "Transport",
        "Connection File",
        "State",
        "Owner",
    ]
    row = "2p1r0s9t\tlab\tpython3\tpython\t-\tipc\t/nowhere/kernel-1.json\talive\t-"
    assert lines[1:] == [row] * 2


def test_the_home_directory_is_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    inside = {**RUNTIME, "connection_file": "/home/ann/k.json"}
    beside = {**RUNTIME, "connection_file": "/home/anna/k.json"}
    assert "~/k.json" in render.tabs([inside], render.RUNTIME_COLUMNS)
    assert "/home/anna/k.json" in render.tabs([beside], render.RUNTIME_COLUMNS)


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        (["starting", "Fatal Python error: Segmentation fault", 'File "x", line 1'], "Fatal"),
        (["one", "two"], "two"),
        ([], ""),
        (None, ""),
    ],
)
def test_the_last_words_that_tell_most(stderr: list[str] | None, words: str) -> None:
    ended = None if stderr is None else {"stderr": stderr}
    assert render.last_words({"exit": ended}).startswith(words)
    assert bool(render.last_words({"exit": ended})) == bool(words)


def test_a_narrow_terminal_drops_columns_in_order() -> None:
    dropped_at: dict[str, int] = {}
    for width in range(200, 0, -1):
        header = render.fitting_table([RUNTIME], render.RUNTIME_COLUMNS, width).splitlines()[0]
        for name in render.DROPPED:
            if not re.search(rf"\b{name}\b", header):
                dropped_at.setdefault(name, width)
        fits = len(render.fitting_table([RUNTIME], render.RUNTIME_COLUMNS, width).splitlines()[1])
        assert fits <= width or len(dropped_at) == len(render.DROPPED)
    assert dropped_at["Connection File"] > dropped_at["Owner"]
    assert dropped_at["Owner"] > dropped_at["Transport"] > dropped_at["IP"]


def test_wide_columns_add_what_it_uses() -> None:
    shown = render.tabs([RUNTIME], render.WIDE_COLUMNS).splitlines()[1].split("\t")
    assert shown == ["idle", "7", "30 MB", "1 %", "2", "yes", "-", "-", "-"]
    for by, who in (
        ({"client": "runt", "pid": 1}, "you"),
        ({"client": "mcp", "pid": 1, "agent": "codex"}, "codex (mcp)"),
        ({"client": "python", "agent": None}, "python"),
    ):
        started = render.tabs([{**RUNTIME, "started_by": by}], render.WIDE_COLUMNS)
        assert started.splitlines()[1].endswith(f"\t{who}")
    public = render.tabs([{**RUNTIME, "private": False}], render.WIDE_COLUMNS)
    assert "readable by other local users" in public


@pytest.mark.parametrize(
    ("ended", "shown"),
    [
        ({"reason": "signal", "code": None, "signal": 9}, "dead (SIGKILL)"),
        ({"reason": "signal", "code": None, "signal": 40}, "dead (signal 40)"),
        ({"reason": "oom", "code": None, "signal": 9}, "dead (out of memory)"),
        ({"reason": "exit", "code": 3, "signal": None}, "dead (exit 3)"),
        ({"reason": "exit", "code": 0, "signal": None}, "dead (exit 0)"),
        ({"reason": "not_started", "code": None, "signal": None}, "dead (not started)"),
        ({"reason": "shutdown_request", "code": None, "signal": None}, "dead (shut down)"),
        ({"reason": "idle", "code": 0, "signal": None}, "dead (idle)"),
        ({"reason": "unknown", "code": None, "signal": None}, "dead"),
        (None, "dead"),
    ],
)
def test_why_it_is_dead(ended: dict[str, Any] | None, shown: str) -> None:
    dead = {**RUNTIME, "status": "dead", "exit": ended}
    assert render.tabs([dead], render.RUNTIME_COLUMNS).splitlines()[1].split("\t")[-2] == shown


def test_what_ended_the_one_before_says_nothing_of_the_one_that_lives() -> None:
    again = {**RUNTIME, "exit": {"reason": "exit", "code": 3, "signal": None}}
    assert render.tabs([again], render.RUNTIME_COLUMNS).splitlines()[1].split("\t")[-2] == "alive"


@pytest.mark.parametrize(
    ("owner", "shown"),
    [
        (
            {"kind": "jupyter_server", "url": "http://h/", "path": "w/a.ipynb", "pid": 1},
            "w/a.ipynb",
        ),
        ({"kind": "jupyter_server", "url": "http://h/", "path": None, "pid": 1}, "http://h/"),
        ({"kind": "process", "name": "code", "pid": 7, "path": None, "url": None}, "code (7)"),
        ({"kind": "process", "name": None, "pid": None, "path": None, "url": None}, "? (?)"),
        ({"kind": "process", "path": "/home/ann/a.ipynb"}, "~/a.ipynb"),
        (None, "-"),
    ],
)
def test_an_owner_is_a_notebook_a_server_or_a_process(
    monkeypatch: pytest.MonkeyPatch, owner: dict[str, Any] | None, shown: str
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert render.owner({**RUNTIME, "owner": owner}) == shown


@given(st.text(), st.integers(1, 30))
def test_what_is_cut_fits(text: str, width: int) -> None:
    cut = render.cut(text, width)
    assert render.display_width(cut) <= width
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))
    if len(text) <= width and render.display_width(text) <= width:
        assert cut == text


def test_the_last_column_takes_what_the_others_leave() -> None:
    columns = (("A", lambda d: d["a"]), ("B", lambda d: d["b"]))
    documents = [{"a": "xxx", "b": "y" * 100}, {"a": "x", "b": "z"}]
    assert render.cut_table(documents, columns, 20).splitlines() == [
        "A    B",
        "xxx  " + "y" * 14 + "…",
        "x    z",
    ]


def test_a_name_cannot_break_a_line() -> None:
    text = render.tabs([{**RUNTIME, "name": "a\tb\n\x1b[2J"}], render.RUNTIME_COLUMNS)
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text


def test_wide_characters_count_twice() -> None:
    assert render.display_width("aé日本") == 6


def test_fields_are_one_a_line() -> None:
    text = render.fields({"id": "x", "exit": None, "outputs": [{"a": 1}], "code": "a\nb"})
    assert text.splitlines() == [
        "id       x",
        "exit     -",
        'outputs  [{"a": 1}]',
        r'code     "a\nb"',
    ]


# -- colour


def test_colour_needs_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    control, terminal = os.openpty()
    read, write = os.pipe()
    try:
        assert shows.takes_colour(terminal)
        assert not shows.takes_colour(write)
        assert shows.is_pipe(write)
        assert not shows.is_pipe(terminal)
        monkeypatch.setenv("NO_COLOR", "1")
        assert not shows.takes_colour(terminal)
        monkeypatch.delenv("NO_COLOR")
        monkeypatch.setenv("TERM", "dumb")
        assert not shows.takes_colour(terminal)
    finally:
        for fd in (control, terminal, read, write):
            os.close(fd)
