"""Who gets how much of the budget, which form is chosen, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from runtimed.model.rendering.render import render
from runtimed.model.rendering.stream import Stream

PNG = "iVBORw0KGgoAAAANSUhEUgAAAoAAAAHg"  # the first bytes of one of 640×480
BLOB = {"blob": "ab" * 32, "size_bytes": 1_200_000, "encoding": "utf8"}


def stream(text: Any, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def display(**data: Any) -> dict[str, Any]:
    names = {
        "plain": "text/plain",
        "html": "text/html",
        "png": "image/png",
        "json": "application/json",
    }
    return {"output_type": "display_data", "data": {names.get(k, k): v for k, v in data.items()}}


def error(*lines: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": "E", "evalue": "v", "traceback": list(lines)}


LONG = stream("".join(f"line {n}\n" for n in range(5000)))


def test_nothing_is_said_in_words() -> None:
    for outputs in ([], [stream("")], [stream("\n\n")], [display(plain="")], [display()]):
        shown = render(outputs)
        assert (shown.text, shown.is_complete, shown.total_lines) == ("no output", True, 1)


def test_what_fits_is_whole_and_in_order() -> None:
    shown = render([stream("a\nb\n"), display(plain="42"), stream("oops\n", "stderr")])
    assert shown.text == "a\nb\n42\noops"
    assert (shown.is_complete, shown.total_chars, shown.total_lines) == (True, 11, 4)
    assert shown.omitted == []


def test_short_outputs_are_whole_and_the_long_one_gives_way() -> None:
    shown = render([display(plain="first"), LONG, display(plain="last")], max_chars=400)
    assert shown.text.startswith("first\nline 0\n")
    assert shown.text.endswith("\nline 4999\nlast")
    assert shown.omitted[0].startswith("output 1 (stdout): ")
    assert 350 < len(shown.text) <= 400


def test_an_error_gets_more_than_what_was_printed() -> None:
    long_error = error(*(f"frame {n}" for n in range(5000)))
    shown = render([LONG, long_error, LONG], max_chars=3000)
    assert shown.text.count("frame") > 1.4 * shown.text.count("line ") / 2


def test_the_last_line_names_the_way_to_the_rest() -> None:
    text = render([LONG], max_chars=500, more="runt output e1234567").text
    left = int(text.split("[Left out: ")[1].split(" characters")[0].replace(",", ""))
    shown = sum(len(line) + 1 for line in text.split("\n") if line.startswith("line "))
    assert left + shown == render([LONG], max_chars=500).total_chars + 1
    assert text.endswith(" lines. All of it: runt output e1234567]")
    assert "[Left out" not in render([LONG], max_chars=500).text


def test_a_stream_may_come_in_pieces_or_be_fed_already() -> None:
    fed = Stream(1000)
    fed.feed("a\rb\n")
    pieces = (piece for piece in ["a\r", "b\n"])
    assert render([stream(fed), stream(pieces)], max_chars=1000).text == "b\nb"


def test_text_that_was_cut_before_says_so() -> None:
    shown = render([stream("begin") | {"truncated_chars": 1234}], more="more")
    assert shown.text == "begin\n… 1,234 more characters …\n[All of it: more]"
    assert not shown.is_complete


def test_images_are_listed_and_described() -> None:
    outputs = [stream("x"), display(png=PNG, plain="<Figure>"), display(png=BLOB, plain="<Figure>")]
    shown = render(outputs)
    assert shown.text == "x\nimage 1: PNG 640×480, 24 B\nimage 2: PNG, 1.2 MB"
    assert [(found.output, found.width) for found in shown.images] == [(1, 640), (2, None)]
    assert shown.images[1].value == BLOB


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"plain": "<X object at 0x7f>", "html": "<p>said</p>"}, "said"),
        ({"plain": "repr", "html": "<p>said</p>"}, "repr\n[also: text/html]"),
        ({"plain": BLOB}, "text/plain (1.2 MB)"),
        ({"html": BLOB, "plain": "short"}, "short\n[also: text/html (1.2 MB)]"),
        ({"application/pdf": "JVBERi0="}, "application/pdf (8 B)"),
        ({"json": {"a": [1]}, "plain": "<IPython.core.display.JSON object>"}, '{"a": [1]}'),
        ({"json": '{"a": 1}'}, '{"a": 1}'),
        ({"plain": ["a\n", "b"]}, "a\nb"),
        ({"text/latex": "$x$"}, "$x$"),
        ({"text/x-python": "pass"}, "pass"),
    ],
)
def test_the_most_useful_form_is_shown(data: dict[str, Any], expected: str) -> None:
    assert render([display(**data)]).text == expected


def test_markdown_has_fences_that_are_long_enough() -> None:
    outputs = [stream("```\ncode\n```\n"), display(json=[1]), display(**{"text/markdown": "**b**"})]
    shown = render(outputs, form="markdown")
    assert shown.text == "````\n```\ncode\n```\n````\n\n```json\n[1]\n```\n\n**b**"


def test_a_traceback_is_whole_on_request() -> None:
    lines = ["-" * 75, "E                 Traceback (most recent call last)", "Cell In[1], line 1"]
    lines += ["----> 1 f()", "File /x/lib/python3.11/json/a.py:7, in f()", "      6 pass"]
    lines += ["----> 7 raise", "", "\x1b[31mE\x1b[0m: v"]
    shown = render([error(*lines)])
    assert shown.text == (
        "Cell In[1], line 1\n----> 1 f()\n"
        "File /x/lib/python3.11/json/a.py:7, in f()\n----> 7 raise\nE: v"
    )
    assert shown.omitted == ["output 0 (error): 13 characters, 1 line"]
    full = render([error(*lines)], traceback="full")
    assert full.is_complete
    assert full.text.startswith("-----") and full.text.endswith("----> 7 raise\n\nE: v")


def test_what_was_raised_comes_before_where() -> None:
    frames = [
        line for n in range(50) for line in (f"Cell In[{n}], line 1, in f{n}()", "----> 1 go()")
    ]
    shown = render([error(*frames, "ValueError: " + "why " * 200)], max_chars=300)
    assert "ValueError: why why" in shown.text


def test_without_a_traceback_there_is_the_name() -> None:
    assert render([error()]).text == "E: v"
    assert render([error() | {"ename": "", "evalue": "127"}]).text == "error: 127"
