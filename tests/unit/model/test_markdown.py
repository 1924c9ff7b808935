"""Notebooks as Markdown."""

from __future__ import annotations

from typing import Any

from runtimed.model.markdown import as_markdown


def code(source: str, *outputs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": list(outputs)}


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def shown(**data: Any) -> dict[str, Any]:
    named = {name.replace("_", "/"): value for name, value in data.items()}
    return {"output_type": "display_data", "data": named, "metadata": {}}


def text(*cells: dict[str, Any], language: str = "python") -> str:
    return as_markdown({"cells": list(cells), "metadata": {"language_info": {"name": language}}})


def test_fences_are_longer_than_those_within() -> None:
    assert text(code("print('```')", stream("```\n"))) == (
        "````python\nprint('```')\n````\n\n````\n```\n````\n"
    )


def test_a_fence_for_very_many_backticks() -> None:
    """In a time that grows with the text, and not with its square: this is seconds or hours."""
    said = text(code("x", stream("`" * 1_000_000 + "\n")))
    assert said.endswith("\n" + "`" * 1_000_001 + "\n")


def test_streams_are_one_block_as_a_terminal_leaves_them() -> None:
    said = (stream("\x1b[31mred\x1b[0m\n"), stream("10%\r100%\r\n", "stderr"))
    assert text(code("x", *said), language="R") == "```r\nx\n```\n\n```\nred\n100%\n```\n"


def test_the_richest_that_markdown_has() -> None:
    rich = [
        shown(text_markdown="*m*", text_plain="p"),
        shown(image_png="QUJD\n", text_plain="p"),
        shown(text_html="<b>", text_plain="p"),
        shown(application_json={"a": [1]}),
        shown(application_pdf="x"),
    ]
    assert text(code("x", *rich)).split("```\n", 1)[1] == (
        "\n*m*\n\n![image/png](data:image/png;base64,QUJD)\n\n```\np\n```\n"
        '\n```json\n{\n  "a": [\n    1\n  ]\n}\n```\n\n```\n<application/pdf>\n```\n'
    )


def test_errors_and_how_it_ended() -> None:
    error = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": []}
    assert text(code("x", error, runtimed={"status": "interrupted"})).endswith(
        "```\nE: v\n```\n\n*interrupted*\n"
    )


def test_text_between_code_stays_as_it_is() -> None:
    cells = [
        {"cell_type": "markdown", "source": "# Title", "metadata": {}},
        {"cell_type": "raw", "source": "raw", "metadata": {}},
    ]
    assert text(*cells) == "# Title\n\n```\nraw\n```\n"
