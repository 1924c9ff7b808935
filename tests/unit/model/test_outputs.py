"""Folding, as JupyterLab and nbclient show outputs."""

from __future__ import annotations

from typing import Any

import pytest

from runtimed.model.outputs import Folder, fold, operation, shown_display_id


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return operation("stream", {"name": name, "text": text})


def display(value: str, display_id: str | None = None, kind: str = "display_data") -> Any:
    content: dict[str, Any] = {"data": {"text/plain": value}, "metadata": {"of": value}}
    if display_id is not None:
        content["transient"] = {"display_id": display_id}
    if kind == "execute_result":
        content["execution_count"] = 7
    return operation(kind, content)


def clear(*, wait: bool) -> dict[str, Any]:
    return operation("clear_output", {"wait": wait})


def shown(*operations: dict[str, Any]) -> list[str]:
    """Return what the outputs amount to, shortly."""
    return [
        f"{output['name']}:{output['text']}" if "name" in output else output["data"]["text/plain"]
        for output in fold(operations)
    ]


def test_adjoining_text_of_one_stream_is_one_output() -> None:
    assert shown(stream("a"), stream("b"), stream("e", "stderr"), stream("c")) == [
        "stdout:ab",
        "stderr:e",
        "stdout:c",
    ]


def test_text_after_another_output_is_another_output() -> None:
    assert shown(stream("a"), display("d"), stream("b")) == ["stdout:a", "d", "stdout:b"]


def test_clear_at_once() -> None:
    assert shown(stream("a"), display("d"), clear(wait=False)) == []
    assert shown(stream("a"), clear(wait=False), stream("b")) == ["stdout:b"]


def test_clear_with_the_next_output() -> None:
    assert shown(stream("a"), clear(wait=True)) == ["stdout:a"]
    assert shown(stream("a"), clear(wait=True), stream("b"), stream("c")) == ["stdout:bc"]
    assert shown(stream("a"), clear(wait=True), clear(wait=True), display("d")) == ["d"]
    assert shown(stream("a"), clear(wait=True), clear(wait=False), stream("b")) == ["stdout:b"]


def test_an_update_is_no_output_that_a_clear_waits_for() -> None:
    update = display("new", "d", "update_display_data")
    assert shown(display("old", "d"), clear(wait=True), update) == ["new"]
    assert shown(display("old", "d"), clear(wait=True), update, stream("s")) == ["stdout:s"]


def test_an_update_changes_all_that_show_the_id_and_no_other() -> None:
    update = display("new", "d", "update_display_data")
    assert shown(display("1", "d"), display("2", "e"), display("3"), display("4", "d"), update) == [
        "new",
        "2",
        "3",
        "new",
    ]
    assert fold([display("1", "d"), update])[0]["metadata"] == {"of": "new"}


def test_a_display_under_a_known_id_updates_the_earlier_ones_too() -> None:
    assert shown(display("1", "d"), display("2", "d")) == ["2", "2"]
    assert shown(display("1", "d"), display("2", "d", "execute_result")) == ["2", "2"]


def test_an_update_before_there_is_anything_to_update() -> None:
    update = display("new", "d", "update_display_data")
    assert shown(update, display("old", "d")) == ["old"]
    assert shown(display("x"), operation("update_display_data", {"data": {"a": "b"}})) == ["x"]


def test_a_result_keeps_its_count_and_its_id() -> None:
    assert fold([display("v", "d", "execute_result")]) == [
        {
            "output_type": "execute_result",
            "data": {"text/plain": "v"},
            "metadata": {"of": "v"},
            "execution_count": 7,
            "display_id": "d",
        }
    ]


def test_buffers_go_with_their_data() -> None:
    op = {**display("v", "d"), "buffers": ["first"]}
    assert fold([op])[0]["buffers"] == ["first"]
    update = display("new", "d", "update_display_data")
    assert "buffers" not in fold([op, update])[0]
    assert fold([op, {**update, "buffers": ["second"]}])[0]["buffers"] == ["second"]


def test_folding_does_not_change_the_operations() -> None:
    first, update = display("old", "d"), display("new", "d", "update_display_data")
    fold([first, update])
    assert first == display("old", "d")


def test_outputs_may_be_asked_for_at_any_time() -> None:
    folder = Folder()
    folder.apply(stream("a"))
    before = folder.outputs()
    folder.apply(stream("b"))
    assert before == [{"output_type": "stream", "name": "stdout", "text": "a"}]
    assert folder.outputs() == [{"output_type": "stream", "name": "stdout", "text": "ab"}]


@pytest.mark.parametrize(
    "content", [{}, {"data": 1}, {"transient": 2}, {"transient": {"display_id": 3}}]
)
@pytest.mark.parametrize("kind", ["display_data", "execute_result", "update_display_data"])
def test_odd_displays(kind: str, content: dict[str, Any]) -> None:
    op = operation(kind, content)
    assert shown_display_id(op) is None
    fold([display("x", "d"), op])


def test_odd_streams_and_errors() -> None:
    assert fold([operation("stream", {"name": 3, "text": ["a"]})]) == [
        {"output_type": "stream", "name": "3", "text": "['a']"}
    ]
    assert operation("clear_output", {}) == {"op": "clear", "wait": False}
    (error,) = fold([operation("error", {"ename": 1, "traceback": [None, 2, "x"]})])
    assert error == {
        "output_type": "error",
        "ename": "1",
        "evalue": "",
        "traceback": ["", "2", "x"],
    }
