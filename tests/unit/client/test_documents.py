"""What is drawn from an execution's outputs, without a daemon."""

from __future__ import annotations

import base64
import copy
import pickle
from typing import Any

import msgspec
import pytest

from runtimed.client.aio_objects import AsyncExecution
from runtimed.client.blobs import in_operation
from runtimed.client.documents import (
    ExecutionFailed,
    NoClient,
    NotFetched,
    missing_blobs,
    piece_of,
    put_blobs,
)

PNG = base64.b64encode(b"png").decode()
SHA256 = "ab" * 32


def execution(*outputs: dict[str, Any], **fields: Any) -> AsyncExecution:
    document = {
        **{"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "incarnation": 1, "code": "", "status": "done"},
        **{"queued_at": "", "execution_started": None, "execution_end": None, "cell": None},
        **{"runtime": {"id": "r", "name": "r", "kernel_name": "k"}, "execution_count": 1},
        **{"requested_by": {"client": "c"}, "group": None, "input": None, "gap": None},
        **{"reason": None, "outputs": list(outputs), **fields},
    }
    return msgspec.convert(document, AsyncExecution)


def stream(text: str, name: str = "stdout", **more: Any) -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text, **more}


def shown(kind: str = "display_data", **data: Any) -> dict[str, Any]:
    return {"output_type": kind, "data": {n.replace("__", "/"): v for n, v in data.items()}}


ERROR = {
    "output_type": "error",
    "ename": "E",
    "evalue": "v",
    "traceback": ["\x1b[31mred\x1b[0m", "E: v"],
}


def test_text_is_all_of_it_in_order_without_colours() -> None:
    found = execution(
        stream("out\n"), stream("err", "stderr"), shown(text__plain="shown"), ERROR, status="error"
    )
    assert found.text == "out\nerr\nshown\nred\nE: v"
    assert (found.stdout, found.stderr, found.result) == ("out\n", "err", None)
    assert execution(stream("cut", truncated_chars=9)).text.endswith(
        "[9 more characters; `lines` has all]"
    )


def test_the_last_of_a_kind_counts() -> None:
    found = execution(
        shown(image__png=PNG, text__html="<b>1</b>"),
        shown(text__html="<b>2</b>"),
        shown("execute_result", text__plain="3"),
    )
    assert (found.png, found.data("text/html"), found.result) == (b"png", "<b>2</b>", "3")
    assert execution().png is None


def test_an_error_that_was_shown_is_none_of_one_that_is_done() -> None:
    assert execution(ERROR).error is None
    with pytest.raises(ExecutionFailed, match=r"q69g5fav is error: E: v$"):
        execution(ERROR, status="error").check()
    with pytest.raises(ExecutionFailed, match=r"is lost: the machine died$"):
        execution(status="lost", reason="the machine died").check()


def test_without_outputs_nothing_is_drawn() -> None:
    with pytest.raises(NotFetched, match="refresh"):
        execution(outputs=None).text  # noqa: B018
    assert repr(execution(outputs=None)) == "<Execution q69g5fav done>"


def test_a_single_display_is_shown_as_it_is() -> None:
    data = {"text/plain": "p", "application/vnd.plotly.v1+json": {"x": [1]}}
    output = {"output_type": "display_data", "data": data, "metadata": {"a": 1}}
    assert execution(output)._repr_mimebundle_() == (data, {"a": 1})


def test_several_outputs_are_one_page() -> None:
    found = execution(
        stream("<b>\x1b[1mbold\x1b[0m"),
        shown(image__png=PNG),
        shown(text__html="<i>html</i>"),
        shown(application__json={"a": "<"}),
        ERROR,
    )
    data, metadata = found._repr_mimebundle_()
    assert metadata == {}
    assert data["text/plain"] == found.text
    assert data["text/html"] == (
        '<pre title="stdout">&lt;b&gt;bold</pre>'
        f'<img src="data:image/png;base64,{PNG}">'
        "<div><i>html</i></div>"
        '<pre title="application/json">{&quot;a&quot;: &quot;&lt;&quot;}</pre>'
        '<pre title="stderr">red\nE: v</pre>'
    )
    assert execution()._repr_mimebundle_()[0] == {"text/plain": "<Execution q69g5fav done>"}


def test_large_values_go_where_their_references_stand() -> None:
    reference = {"blob": SHA256, "size_bytes": 9, "encoding": "base64"}
    found = execution(shown(image__png=reference, text__plain="p"), stream("x"))
    assert list(missing_blobs(found)) == [reference]
    put_blobs(found, {SHA256: PNG})
    assert found.png == b"png"
    assert list(missing_blobs(found)) == []


def test_what_looks_like_a_reference_inside_a_value_is_none() -> None:
    inner = {"blob": SHA256, "size_bytes": 9, "encoding": "base64"}
    assert list(missing_blobs(execution(shown(application__json={"x": inner})))) == []


def test_pieces() -> None:
    reference = {"blob": SHA256, "size_bytes": 9, "encoding": "utf8"}
    data = {"text/plain": reference}
    operations = [
        {"op": "stream", "name": "stdout", "text": reference},
        {"op": "add", "output": {"output_type": "display_data", "data": data}},
        {"op": "update", "display_id": "d", "data": data, "metadata": {}},
    ]
    assert [list(in_operation(each)) for each in operations] == [[reference]] * 3
    assert piece_of({"op": "clear", "wait": True}) is None
    pieces = [piece_of({**each, "text": "t"}) for each in operations]
    assert [piece and piece.output_type for piece in pieces] == [
        "stream",
        "display_data",
        "display_data",
    ]


def test_a_bundle_has_the_types_that_are_asked_for() -> None:
    found = execution(shown(text__plain="p", text__html="<b>h</b>"))
    assert found._repr_mimebundle_(include={"text/plain"})[0] == {"text/plain": "p"}
    assert found._repr_mimebundle_(exclude={"text/plain"})[0] == {"text/html": "<b>h</b>"}


def test_a_copy_has_no_client_and_says_so() -> None:
    given = execution(stream("out"))
    for each in (copy.copy(given), pickle.loads(pickle.dumps(given))):
        assert each == given
        with pytest.raises(NoClient, match="a copy without a client"):
            assert each._client


def test_to_look_at_what_came_without_outputs_is_no_error() -> None:
    bare = execution(outputs=None)
    assert bare._repr_mimebundle_() == ({"text/plain": repr(bare)}, {})
