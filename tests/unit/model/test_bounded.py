"""Outputs folded in limited memory: what is kept is as it is folded whole, the rest is counted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimed.model import bounded
from runtimed.model.bounded import KEPT, Bounded
from runtimed.model.outputs import fold
from runtimed.model.rendering.render import OMITTED, render


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"op": "stream", "name": name, "text": text}


def shown(text: str, **data: Any) -> dict[str, Any]:
    data = {"text/plain": text, **data}
    return {"op": "add", "output": {"output_type": "display_data", "data": data, "metadata": {}}}


def folded(operations: list[dict[str, Any]], max_chars: int = 300, since: int = 0) -> Bounded:
    found = Bounded(max_chars, since)
    for op in operations:
        found.apply(op)
    return found


OPERATIONS = st.lists(
    st.one_of(
        st.builds(stream, st.text(max_size=5), st.sampled_from(["stdout", "stderr"])),
        st.builds(shown, st.text(max_size=5)),
        st.builds(lambda wait: {"op": "clear", "wait": wait}, st.booleans()),
    ),
    max_size=60,
)


@given(OPERATIONS, st.integers(0, 20), st.integers(1, 5))
def test_what_is_kept_is_what_there_is(
    operations: list[dict[str, Any]], since: int, kept: int
) -> None:
    whole = fold(operations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded, "KEPT", kept)
        patch.setattr(bounded, "_CHARS_PER_OUTPUT", 10_000)
        found = folded(operations, since=since)
    assert found.count == len(whole)
    outputs = found.outputs()
    missing = 0
    for place, output in enumerate(outputs):
        if output["output_type"] == OMITTED:
            missing = output["outputs"]
            continue
        same = whole[found.index(place)]
        if output["output_type"] == "stream":
            assert output["name"] == same["name"]
            assert render([output], max_chars=300) == render([same], max_chars=300)
        else:
            assert output == same
    assert len(outputs) - bool(missing) + missing == max(0, len(whole) - since)
    if outputs:
        assert found.index(0) == since


def test_a_long_stream_is_not_kept() -> None:
    found = folded([stream("x" * 99 + "\n") for _ in range(10_000)])
    (output,) = found.outputs()
    assert output["text"].total_chars == 1_000_000 - 1
    assert len(output["text"].text()) <= 300


def test_of_many_outputs_the_middle_is_counted() -> None:
    found = folded([shown(f"shown {i}") for i in range(10 * KEPT)])
    outputs = found.outputs()
    assert len(outputs) <= 3 * KEPT + 1
    text = render(outputs, max_chars=300).text
    assert "shown 0" in text
    assert f"shown {10 * KEPT - 1}" in text
    left_out = int(text.partition("… ")[2].partition(" outputs")[0].replace(",", ""))
    assert left_out + text.count("shown ") == 10 * KEPT
    assert render([*outputs], max_chars=1_000_000).text.count("left out") == 1


def test_large_values_go_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and the last ones are the last to go; small ones never do."""
    monkeypatch.setattr(bounded, "VALUE_CHARS", 500_000)
    operations = [shown(f"figure {i}", **{"image/png": "A" * 10_000}) for i in range(200)]
    images = [output["data"]["image/png"] for output in folded(operations).outputs()]
    held = [place for place, image in enumerate(images) if isinstance(image, str)]
    assert (held[0], held[-1]) == (0, 199)
    assert sum(len(images[place]) for place in held) <= 500_000
    assert all(image["size_bytes"] == 10_000 for image in images if not isinstance(image, str))
    # Whoever asks for one that is missing gets it.
    missing = next(place for place in range(200) if place not in held)
    assert isinstance(folded(operations, since=missing).outputs()[0]["data"]["image/png"], str)


def test_what_is_shown_again_and_again_keeps_its_last_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded, "VALUE_CHARS", 100_000)
    first = shown("0")
    first["output"]["display_id"] = "d"
    updates = [
        {"op": "update", "display_id": "d", "data": {"text/plain": "A" * 9_999 + str(i % 10)}}
        for i in range(100)
    ]
    (output,) = folded([first, *({**update, "metadata": {}} for update in updates)]).outputs()
    assert output["data"]["text/plain"].endswith("A9")


def test_the_exception_raised_last_is_known() -> None:
    error = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": []}
    assert folded([{"op": "add", "output": error}, shown("x")]).raised == ("E", "v")
    assert folded([shown("x")]).raised is None
