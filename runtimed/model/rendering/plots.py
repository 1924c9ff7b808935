"""Plots that come as data: Plotly, Vega-Lite and GeoJSON, described in a few lines."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from runtimed.model.rendering import series
from runtimed.model.rendering.cutting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLOTLY = "application/vnd.plotly.v1+json"
GEOJSON = "application/geo+json"
VEGA = re.compile(r"application/vnd\.vega(?:lite)?\.v\d+(?:\.\d+)*[.+]json")

_MOST_PARTS = 12
_DATA = (
    "x",
    "y",
    "z",
    "labels",
    "values",
    "lat",
    "lon",
    "locations",
    "r",
    "theta",
    "open",
    "close",
)


def plotly(figure: Any) -> str | None:
    """Describe a figure: its traces, how many points each has, the first of them."""
    if not isinstance(figure, dict) or not isinstance(figure.get("data"), list):
        return None
    layout = _object(figure.get("layout"))
    traces = [trace for trace in figure["data"] if isinstance(trace, dict)]
    lines = [f"Plotly figure{_titled(layout)}: {counted(len(traces), 'trace')}"]
    axes = [
        f"{name.removesuffix('axis') + number} {title!r}"
        for key in sorted(layout)
        if (found := re.fullmatch(r"([xyz]axis)(\d*)", key))
        and (title := _title(_object(layout[key])))
        for name, number in [found.groups()]
    ]
    lines += [f"axes: {', '.join(axes)}"] if axes else []
    return "\n".join(lines + list(_few(traces, _trace, "trace")))


def _trace(trace: dict[str, Any]) -> str:
    kind = str(trace.get("type") or "scatter")
    if isinstance(mode := trace.get("mode"), str):
        kind += f" ({mode})"
    named = f" {series.value(trace['name'])!r}" if trace.get("name") else ""
    found = {name: trace[name] for name in _DATA if series.length(trace.get(name)) is not None}
    counts = [series.points(values) for values in found.values()]
    points = f", {counted(max(counts), 'point')}" if counts else ""
    values = "; ".join(f"{name}: {series.preview(values)}" for name, values in found.items())
    return f"{kind}{named}{points}" + (f" — {values}" if values else "")


def vega(chart: Any) -> str | None:
    """Describe a Vega or Vega-Lite specification: marks, what they encode, the first rows."""
    if not isinstance(chart, dict):
        return None
    name = "Vega-Lite" if "lite" in str(chart.get("$schema", "lite")) else "Vega"
    views = list(_views(chart))
    lines = [f"{name} chart{_titled(chart)}: {counted(len(views), 'view')}"]
    lines += _few(views, _view, "view")
    return "\n".join(lines + list(_datasets(chart)))


def vega_in(html: str) -> Any:
    """Return the specification in a page that Altair makes, None where it is no such page."""
    end = html.find('"vega-lite"})', html.find("vegaEmbed") + 1)
    begin = html.rfind("})(", 0, end)
    if not 0 <= begin < end:
        return None
    try:
        return json.JSONDecoder().raw_decode(html, begin + len("})("))[0]
    except (ValueError, RecursionError):
        return None


def _views(chart: dict[str, Any]) -> Iterator[dict[str, Any]]:
    parts = [
        part
        for key in ("layer", "hconcat", "vconcat", "concat")
        if isinstance(chart.get(key), list)
        for part in chart[key]
    ]
    parts += [chart["spec"]] if "spec" in chart else []
    if not parts:
        yield chart
    for part in parts:
        if isinstance(part, dict):
            # What a layered chart encodes, it encodes for all its layers.
            shared = {**_object(chart.get("encoding")), **_object(part.get("encoding"))}
            yield from _views({**part, "encoding": shared})


def _view(view: dict[str, Any]) -> str:
    mark = view.get("mark")
    kind = str(mark.get("type")) if isinstance(mark, dict) else str(mark or "marks")
    encoded = [
        f"{channel}: {said}"
        for channel, how in _object(view.get("encoding")).items()
        if (said := _encoded(how))
    ]
    return kind + (f" — {'; '.join(encoded)}" if encoded else "")


def _encoded(how: Any) -> str:
    parts = [_encoded(each) for each in how] if isinstance(how, list) else []
    if parts:
        return ", ".join(filter(None, parts))
    how = _object(how)
    field = str(how.get("field", ""))
    if isinstance(aggregate := how.get("aggregate"), str):
        field = f"{aggregate}({field})"
    kind = f" ({how['type']})" if isinstance(how.get("type"), str) else ""
    title = f" {how['title']!r}" if isinstance(how.get("title"), str) else ""
    return f"{field}{kind}{title}".strip()


def _datasets(chart: dict[str, Any]) -> Iterator[str]:
    named = _object(chart.get("datasets"))
    own = chart.get("data")
    sources = own if isinstance(own, list) else [own]
    inline = [_object(source).get("values") for source in sources]
    for rows in [*named.values(), *inline][:_MOST_PARTS]:
        if isinstance(rows, list) and rows:
            yield f"data: {counted(len(rows), 'row')}, the first: {_row(rows[0])}"
    for source in sources:
        if isinstance(url := _object(source).get("url"), str):
            yield f"data: {series.value(url) if url.startswith('data:') else url[:200]}"


def geojson(document: Any) -> str | None:
    """Describe geometries: how many of which kind, where, with which properties."""
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        return None
    found = document.get("features")
    features = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    features = features or [document]
    geometries = [_object(each.get("geometry")) or each for each in features]
    kinds = Counter(str(geometry.get("type")) for geometry in geometries)
    lines = [
        f"GeoJSON {document['type']}: {', '.join(f'{n:,} {kind}' for kind, n in kinds.items())}"
    ]
    points = [point for each in geometries for point in _points(each)]
    if points:
        west, east = min(x for x, _ in points), max(x for x, _ in points)
        south, north = min(y for _, y in points), max(y for _, y in points)
        lines.append(
            f"{counted(len(points), 'position')}, longitude {west:g} to {east:g}, "
            f"latitude {south:g} to {north:g}"
        )
    properties = _object(features[0].get("properties"))
    if properties:
        lines.append(f"properties of the first: {_row(properties)}")
    return "\n".join(lines)


def _points(geometry: dict[str, Any]) -> Iterator[tuple[float, float]]:
    waiting: list[Any] = [geometry.get("coordinates")]
    inner = geometry.get("geometries")
    waiting += (
        [_object(each).get("coordinates") for each in inner] if isinstance(inner, list) else []
    )
    while waiting:
        value = waiting.pop()
        if not isinstance(value, list) or not value:
            continue
        if len(value) >= 2 and all(isinstance(each, int | float) for each in value):
            yield value[0], value[1]
        else:
            waiting += value


def _few(parts: list[dict[str, Any]], describe: Any, noun: str) -> Iterable[str]:
    if len(parts) <= _MOST_PARTS:
        return [f"- {describe(part)}" for part in parts]
    more = counted(len(parts) - _MOST_PARTS, noun).replace(" ", " more ", 1)
    return [*(f"- {describe(part)}" for part in parts[:_MOST_PARTS]), f"- … {more}"]


def _row(row: Any) -> str:
    if not isinstance(row, dict):
        return series.value(row)
    parts = [f"{series.value(name)}={series.value(found)}" for name, found in row.items()]
    return ", ".join([*parts[:_MOST_PARTS], *(["…"] if len(parts) > _MOST_PARTS else [])])


def _titled(part: dict[str, Any]) -> str:
    title = _title(part)
    return f" {title!r}" if title else ""


def _title(part: dict[str, Any]) -> str:
    title = part.get("title")
    if isinstance(title, dict):
        title = title.get("text")
    if isinstance(title, list):
        title = " ".join(map(str, title))
    return series.value(title) if isinstance(title, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
