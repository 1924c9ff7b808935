"""Tracebacks of several kernels, in much room and in little."""

from __future__ import annotations

from typing import Any

import pytest

from runtimed.model.rendering.render import render

WHERE = "Cell In[1], line 1\n----> 1 f(x)"
LIBRARY = [
    f"File /x/lib/python3.11/json/a.py:{n}, in f{n}()\n    {n - 1} before\n--> {n} raise"
    for n in range(20, 30)
]


def shown(*traceback: str, max_chars: int = 600, **members: Any) -> str:
    output = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": list(traceback)}
    return render([output | members], max_chars=max_chars, more="more").text


@pytest.mark.parametrize(("message", "max_chars"), [(5000, 600), (20_000, 8000), (3000, 200)])
def test_a_long_message_leaves_the_place(message: int, max_chars: int) -> None:
    text = shown(WHERE, "E: " + "x" * message, max_chars=max_chars)
    assert text.startswith(f"{WHERE}\nE: xxx")
    assert len(text) <= max_chars


def test_frames_go_before_the_line_that_was_called() -> None:
    calls = [f"Cell In[{n}], line 3, in go()\n  1 a\n  2 b\n----> 3 go{n}()\n" for n in range(7)]
    for max_chars in (300, 400, 600):
        text = shown(*calls, *LIBRARY, "E: v", max_chars=max_chars)
        assert "----> 3 go6()" in text
        assert "characters left out …" not in text
        assert text.count("Cell In") == text.count("---->")


def test_of_little_room_the_least_is_shown() -> None:
    text = shown("Cell In[1], line 1\n----> 1 " + "f" * 500, "E: v" * 500, max_chars=200)
    assert "E: v" in text
    assert len(text) <= 200


def test_a_chained_message_says_what_it_lacks() -> None:
    link = "During handling of the above exception, another exception occurred:"
    first = ["KeyError: a", *(f"more {n}" for n in range(5))]
    text = shown(WHERE, *first, "", link, "", WHERE, "E: v", max_chars=2000)
    assert "KeyError: a\nmore 0\nmore 1\n… 3 lines left out …\n" in text


def test_what_caused_an_error_of_deno_is_its_message() -> None:
    calls = [f"    at f{n} (file.ts:{n}:1)" for n in range(20)]
    text = shown("Error: outer", *calls, "Caused by: TypeError: the real reason", *calls)
    assert text.startswith("Error: outer\nCaused by: TypeError: the real reason\n    at f0 (")
    assert "calls left out" in text


def test_a_list_is_no_call_of_r() -> None:
    message = "Failed.\n1. check\n2. try again with sudo\n3. eval it"
    assert shown(message) == message


def test_calls_of_r_that_are_left_out_are_counted() -> None:
    calls = ["1. try(x)", "2. evaluate(x,\n     y)", "3. eval(mf,\n    parent)", "4. stop()"]
    text = shown("Error in f(): no\nTraceback:\n", *calls, max_chars=8000)
    assert text.startswith(
        "Error in f(): no\n1. try(x)\n2. evaluate(x,\n     y)\n4. stop()\n… 1 call left out …"
    )


def test_frames_alone_are_shown() -> None:
    assert shown("Cell In[1], line 1\n----> 1 E") == "Cell In[1], line 1\n----> 1 E"
    assert shown("Traceback:", evalue="") == "E\n[Left out: 11 characters, 1 line. All of it: more]"


def test_the_name_and_the_value_are_told_once() -> None:
    told = shown("Cell In[1], line 1", ename="KeyError", evalue="the real reason")
    assert told.endswith("\nKeyError: the real reason")
    assert shown("E: v") == "E: v"
    assert shown("SyntaxError: bad", ename="SyntaxError", evalue="bad (1.py, line 1)") == (
        "SyntaxError: bad"
    )


@pytest.mark.parametrize("back", ["\r", "\x1b[2A\x1b[2K", "\b" * 11])
def test_a_message_overwrites_nothing(back: str) -> None:
    text = shown(WHERE, f"ValueError: cannot parse{back}x")
    assert text.startswith(WHERE)
    assert "ValueError: cannot parse" in text
    assert "x" in text.rpartition("parse")[2]


def test_the_heading_of_an_exception_with_a_long_name_is_left_out() -> None:
    name = "A" * 45
    text = shown("-" * 75, f"{name}Traceback (most recent call last)", WHERE, f"{name}: v")
    assert text == f"{WHERE}\n{name}: v"


def test_inner_calls_of_deno_are_counted() -> None:
    calls = ["    at f (file.ts:1:1)", *(f"    at g{n} (ext:core/a.js:{n}:1)" for n in range(3))]
    assert "… 3 calls left out …" in shown("Error: v", *calls)


def test_a_message_of_very_many_lines_is_text() -> None:
    lines = [f"row {n}" for n in range(50_000)]
    text = shown(WHERE, "E: it", *lines)
    assert text.startswith(f"{WHERE}\nE: it\nrow 0\n")
    assert "row 49999" in text
    kept = sum(line.startswith("row ") for line in text.split("\n"))
    assert f"… {50_000 - kept:,} lines, " in text
