"""Folding, against a description of it that is as simple as it is slow."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtimed.model.outputs import Folder, fold, operation

IDS = st.sampled_from(["d", "e", None])
TEXT = st.text(alphabet="ab\n", max_size=3)


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind = draw(
        st.sampled_from(
            [
                "stream",
                "display_data",
                "execute_result",
                "error",
                "clear_output",
                "update_display_data",
            ]
        )
    )
    display_id = draw(IDS)
    return kind, {
        "name": draw(st.sampled_from(["stdout", "stderr"])),
        "text": draw(TEXT),
        "wait": draw(st.booleans()),
        "ename": "E",
        "evalue": "",
        "traceback": [],
        "data": {"text/plain": draw(TEXT)},
        "metadata": {},
        "transient": {} if display_id is None else {"display_id": display_id},
    }


def described(received: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """What is shown: (kind, name, text) of streams, (kind, data) of the others."""
    outputs: list[Any] = []
    pending = False
    for kind, content in received:
        display_id = content["transient"].get("display_id")
        if kind == "clear_output":
            pending = content["wait"]
            outputs = outputs if pending else []
            continue
        if pending and kind != "update_display_data":
            outputs, pending = [], False
        if kind in ("display_data", "execute_result", "update_display_data") and display_id:
            outputs = [
                {**o, "data": content["data"]} if o.get("id") == display_id else o for o in outputs
            ]
        if kind == "stream" and outputs and outputs[-1].get("name") == content["name"]:
            last = outputs.pop()
            outputs.append({**last, "text": last["text"] + content["text"]})
        elif kind == "stream":
            outputs.append({"kind": kind, "name": content["name"], "text": content["text"]})
        elif kind == "error":
            outputs.append({"kind": kind})
        elif kind != "update_display_data":
            outputs.append({"kind": kind, "id": display_id, "data": content["data"]})
    return outputs


def bare(outputs: list[dict[str, Any]]) -> list[Any]:
    kinds = {"stream": ("name", "text"), "error": ()}
    return [
        {"kind": output["output_type"]}
        | (
            {name: output[name] for name in kinds[output["output_type"]]}
            if output["output_type"] in kinds
            else {"id": output.get("display_id"), "data": output["data"]}
        )
        for output in outputs
    ]


@given(st.lists(messages(), max_size=12))
def test_folding_is_as_described(received: list[tuple[str, dict[str, Any]]]) -> None:
    assert bare(fold([operation(*message) for message in received])) == described(received)


@given(st.lists(messages(), max_size=12))
def test_folding_one_by_one_is_folding_all(received: list[tuple[str, dict[str, Any]]]) -> None:
    operations = [operation(*message) for message in received]
    folder = Folder()
    for count, op in enumerate(operations, 1):
        folder.apply(op)
        assert folder.outputs() == fold(operations[:count])


@given(
    st.sampled_from(["stream", "display_data", "execute_result", "error", "clear_output"]),
    st.dictionaries(
        st.sampled_from(["name", "text", "data", "metadata", "transient", "wait", "traceback"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    ),
)
def test_no_content_is_too_odd(kind: str, content: dict[str, Any]) -> None:
    for output in fold([operation(kind, content)] * 2):
        assert isinstance(output.get("text", ""), str)
        assert isinstance(output.get("data", {}), dict)
