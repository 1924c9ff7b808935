"""What hostile or odd outputs cost: never much time, never the rest of the answer."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image as Pillow

from runtimed.model.bounded import VALUE_CHARS, Bounded
from runtimed.model.rendering import plots
from runtimed.model.rendering.hypertext import MOST_CHARS, as_text, only_table
from runtimed.model.rendering.images import Unusable, scaled
from runtimed.model.rendering.render import Ways, render

PRINT = {"output_type": "stream", "name": "stdout", "text": "the answer is 42\n"}
ERROR = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["E: it raised"]}


def shown(data: dict[str, Any], max_chars: int = 400) -> str:
    display = {"output_type": "display_data", "data": data}
    return render([PRINT, display, ERROR], max_chars=max_chars).text


@pytest.mark.timeout(20)  # each takes minutes, or for ever, where the time is quadratic
@pytest.mark.parametrize(
    "html",
    [
        "<pre>" + " " * 200_000 + "x</pre>",
        "<table>" + "1" * 200_000 + "<tr><td>a<td>b",
        "<a" * 100_000,
        "<!--" * 60_000,
        "</a" * 80_000,
        "<![" * 80_000,
        "<table>" + "<tr>" + "<td colspan=100 rowspan=100>" * 1000 + "<tr><td>x" * 99,
        "<table><tr><td>a<td>b" * 12_000,
        "<table><tr><td>x<td>" + "<b>x</b>" * 30_000,
        "<table><tr><td>x<td rowspan=5>b<tr><td colspan=2>c</table>",
        "<table><tr>" + "<td>y" * 25_000 + "<tr><td>a<td>b" * 9000,
    ],
    ids=lambda html: html[:12].replace("<", "_"),
)
def test_no_html_takes_long(html: str) -> None:
    text = shown({"text/html": html})
    assert "the answer is 42" in text
    assert "it raised" in text
    assert len(text) <= 400


def test_a_wide_cell_makes_no_other_wide() -> None:
    table = only_table("<table><tr><td>x<td>" + "y" * 100_000 + "<tr><td>a<td>b" * 6000)
    assert table is not None
    assert len(table.text(is_markdown=False)) < 2_000_000


def test_long_html_is_named() -> None:
    assert "text/html (262 KB)" in shown({"text/html": "x" * (MOST_CHARS + 1)})


@pytest.mark.parametrize(
    "data",
    [
        {"application/json": {"blob": "x", "encoding": "utf8"}},
        {"application/json": {"blob": 1, "encoding": 2, "size_bytes": "x"}},
        {"image/png": None},
        {"image/png": [1]},
        {"text/html": "<p>w, × ,h</p><table><tr><td>a<td>b</table>"},
        {"text/html": f"<p>{'9' * 5000} × 2</p><table><tr><td>a<td>b</table>"},
        {"application/geo+json": {"type": "Point", "coordinates": [10**400, 1]}},
        {"application/vnd.plotly.v1+json": {"data": [{"x": [10**5000]}]}},
        {"text/plain": None},
    ],
)
def test_an_odd_output_takes_nothing_else_away(data: dict[str, Any]) -> None:
    text = shown(data)
    assert text.startswith("the answer is 42\n")
    assert text.endswith("\nE: it raised")


def test_what_cannot_be_rendered_is_named() -> None:
    text = shown({"application/geo+json": {"type": "Point", "coordinates": [10**400, 1]}})
    assert "[application/geo+json (440 B): cannot be shown as text (OverflowError)]" in text


def test_what_stands_beside_a_table_is_shown() -> None:
    html = "<p>WARNING: fold 3</p><table><caption>by fold</caption>{}</table><p>Mean 0.93</p>"
    text = shown({"text/html": html.format("<tr><td>a<td>b")})
    assert "WARNING: fold 3\nby fold\n[1 row × 2 columns]\na  b\nMean 0.93" in text
    assert "x" * 300 in shown({"text/html": "<table>" + "x" * 300 + "<tr><td>a<td>b"}, 4000)


def test_an_index_is_no_column() -> None:
    html = "<table><tr><th></th><th>a</th><th>b</th></tr><tr><th>0</th><td>1</td><td>2</td></tr>"
    assert "[1 row × 2 columns]" in shown({"text/html": html})


def test_a_row_of_nothing_is_a_row() -> None:
    html = "<table><tr><th>a<th>b<tr><td>x<td>1<tr><td><td><tr><td>z<td>2<tr></tr></table>"
    assert "[3 rows × 2 columns]\na  b\nx  1\n\nz  2" in shown({"text/html": html})
    some = html.replace("<tr><td>z", "<tr><td>...<td>...<tr><td>z")
    assert "[3 rows × 2 columns]" in shown({"text/html": some})


def test_a_row_is_not_filled_for_what_reaches_far_into_it() -> None:
    group = "<tr>" + "<td>" * 1000 + "<td rowspan=100>" + "<tr><td>x" * 99
    table = only_table("<table>" + group * 52)
    assert table is not None
    assert sum(map(len, table.rows)) < 150_000  # of five million


def test_an_animation_larger_than_its_screen_is_refused() -> None:
    data = io.BytesIO()
    Pillow.new("P", (4, 4)).save(data, "GIF")
    gif = bytearray(data.getvalue())
    frame = gif.index(b",", 13)
    gif[frame + 5 : frame + 9] = (20_000).to_bytes(2, "little") * 2
    with pytest.raises(Unusable, match="too large"):
        scaled(bytes(gif), "image/gif")
    gif[frame + 5 : frame + 9] = (9_000).to_bytes(2, "little") * 2
    with pytest.raises(Unusable, match="too large"):
        scaled(bytes(gif), "image/gif")


def test_json_has_a_limit_too() -> None:
    bounded = Bounded(400)
    for _ in range(100):
        data = {"application/json": {"a": ["x" * 100] * 2000}}
        bounded.apply({"op": "add", "output": {"output_type": "display_data", "data": data}})
    kept = [each for each in bounded.outputs() if "a" in each["data"]["application/json"]]
    assert 0 < len(kept) * 8 * 200_000 <= VALUE_CHARS * 2


WAYS = Ways("text(…)", "traceback(…)", "value(…)")
FRAMES = "\n".join(
    f'  File "/x/lib/python3.11/site-packages/p/m.py", line {n}, in f\n    g{n}()'
    for n in range(30)
)


@pytest.mark.parametrize(
    ("output", "named"),
    [
        ({**PRINT, "text": "line\n" + "x" * 900}, "text(…)"),
        (
            {**ERROR, "traceback": [f"Traceback (most recent call last):\n{FRAMES}\nE: v"]},
            "traceback(…)",
        ),
        (
            {"output_type": "display_data", "data": {"application/json": list(range(900))}},
            "value(…)",
        ),
        (
            {
                "output_type": "display_data",
                "data": {"application/vnd.plotly.v1+json": {"data": [{"x": [1]}]}},
            },
            "value(…)",
        ),
    ],
)
def test_the_way_to_the_rest_goes_there(output: dict[str, Any], named: str) -> None:
    text = render([output], max_chars=400, more=WAYS).text
    assert text.endswith(f"All of it: {named}]")
    assert text.count("(…)") == 1


def test_names_that_are_shortened_stay_apart() -> None:
    paths = {f"/home/ada/{'x' * 200}/{n:03}.csv": n for n in range(30)}
    text = shown({"application/json": paths}, 600)
    names = text.count(".csv")
    assert names > 3
    assert f'"{30 - names} more"' in text


def test_a_long_integer_says_how_long_it_is() -> None:
    text = shown({"application/json": 10**3000}, 300)
    assert "more characters" in text
    assert "it raised" in text


def test_what_is_left_out_has_its_own_number() -> None:
    long = {"output_type": "stream", "name": "stdout", "text": "line\n" * 3 + "x" * 900}
    found = render([PRINT, long], max_chars=300, index=lambda place: place + 1990)
    assert found.omitted[0].startswith("output 1991 (stdout): ")


def test_outputs_that_nobody_kept_are_counted_about() -> None:
    bounded = Bounded(400)
    for _ in range(2000):
        bounded.apply({"op": "add", "output": ERROR})
        bounded.apply({"op": "add", "output": {"output_type": "display_data", "data": {}}})
    found = render(bounded.outputs(), max_chars=400)
    chars = next(each["chars"] for each in bounded.outputs() if "chars" in each)
    assert chars > 5000
    assert not found.is_complete


def test_what_is_complete_is_not_longer_than_its_total() -> None:
    for form in ("text", "markdown"):
        found = render([PRINT, {**ERROR, "output_type": "error"}], form=form)
        assert found.is_complete
        assert len(found.text) <= found.total_chars


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<html><head><title>T</title><body><p>said", "said"),
        ("<html><head><title>T</title><script>1</script><p>said", "said"),
        ("<iframe src='u'><p>said", "[iframe u]\n\nsaid"),
        ("<object data='u'><p>said", "said"),
        ("<select><option>one<p>said", "one\n\nsaid"),
        (
            "<audio><source src='data:audio/wav;base64,AAAA'/>No</audio>",
            "[audio data:audio/wav, 3 B]",
        ),
        ("<audio src='a.ogg'></audio><p>said", "[audio a.ogg]\n\nsaid"),
        ("<video>No</video><p>said", "[video]\n\nsaid"),
    ],
)
def test_what_follows_a_tag_that_is_not_closed_is_read(html: str, text: str) -> None:
    assert as_text(html) == text


def test_rows_of_a_plot_are_counted_one_by_one() -> None:
    rows = {"data": [{"type": "heatmap", "z": [[0] * 1000] * 200}]}
    assert "200,000 points" in (plots.plotly(rows) or "")
    clamped = {"data": [{"x": {"dtype": "u1c", "bdata": "AQIDBAUGBwg="}}]}
    assert "8 points — x: 1, 2, 3, 4, 5, … 8" in (plots.plotly(clamped) or "")
    unknown = {"data": [{"x": {"dtype": "f16", "bdata": "AQIDBAUGBwg="}}]}
    assert "point" not in (plots.plotly(unknown) or "")


def test_a_table_that_was_cut_before_says_how_many_rows_it_has() -> None:
    rows = "".join(f"<tr><td>{n}<td>{'x' * 20}" for n in range(30))
    html = f"<table>{rows}<tr><td>...<td>...{rows}</table><p>5000 rows × 2 columns</p>"
    text = shown({"text/html": html}, 600)
    assert "[5,000 rows × 2 columns]" in text
    kept = text.count("x" * 20)
    assert f"… {5000 - kept:,} more rows" in text


def test_what_no_parser_knows_is_a_comment() -> None:
    assert as_text("<p>Hello</p><p>World <![foo]> end</p>") == "Hello\n\nWorld  end"
    assert as_text("<p>Hello</p><![ <p>World</p>") == "Hello\n\nWorld"


def test_a_grey_image_of_sixteen_bits_stays_grey() -> None:
    data = io.BytesIO()
    ramp = Pillow.linear_gradient("L").resize((2000, 2000)).convert("I")
    ramp.point(lambda value: value * 257).convert("I;16").save(data, "PNG")
    found = Pillow.open(io.BytesIO(scaled(data.getvalue(), "image/png")[0]))
    assert found.mode == "L"
    brighter = sum(found.histogram()[192:]) / (found.width * found.height)
    assert 0.2 < brighter < 0.3


def test_an_svg_as_large_as_the_sky_has_no_size() -> None:
    svg = f'<svg viewBox="0 0 {"9" * 40} 9">'
    assert "image 1: SVG, " in shown({"image/svg+xml": svg})
    assert "image 1: SVG 30×9, " in shown({"image/svg+xml": '<svg viewBox="0 0 30 9">'})


def test_what_is_given_up_ends_within_a_long_value() -> None:
    class Enough(Exception):
        pass

    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 5:
            raise Enough

    with pytest.raises(Enough):
        render(
            [{"output_type": "display_data", "data": {"text/plain": "x" * 900_000}}], check=check
        )
