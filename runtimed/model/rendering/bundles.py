"""Which form an output has: of a MIME bundle the one that is most useful to a reader."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtimed.model.rendering import hypertext, plots, tracebacks
from runtimed.model.rendering.abridged import abridged, as_json
from runtimed.model.rendering.composed import Error, Noted
from runtimed.model.rendering.cutting import counted
from runtimed.model.rendering.forms import (
    UNRENDERABLE,
    Fenced,
    Isolated,
    Shortened,
    Summary,
    Text,
    not_rendered,
)
from runtimed.model.rendering.images import IMAGES, image
from runtimed.model.rendering.stream import Stream
from runtimed.model.text import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runtimed.model.rendering.cutting import Way
    from runtimed.model.rendering.forms import Form
    from runtimed.model.rendering.images import Image

_WIDGET = "application/vnd.jupyter.widget-view+json"
_JSON = re.compile(r"application/(?:.*\+)?json")
#: What Python calls an object that has no more to say about itself.
_SAYS_NOTHING = re.compile(r"<[\w.]+(?: object)?(?: at 0x[0-9a-f]+)?>|alt\.\w*Chart\(\.\.\.\)|")
_MOST_ALT_CHARS = 100
_PIECE_CHARS = 64 * 1024
#: Longer JSON is named only: what is made of it would be large, and take long.
MOST_JSON_CHARS = 2 * 1024 * 1024
#: The same once more, where the output is shown as a table, a plot, an image or a widget.
_SAME = frozenset(("text/plain", "text/html", "text/latex", "text/markdown"))


@dataclass(frozen=True, slots=True)
class Options:
    """How outputs are to be shown."""

    max_chars: int
    is_markdown: bool = False
    is_full_traceback: bool = False
    #: Called now and then while something long is read: it may raise what ends the whole render.
    check: Callable[[], None] = lambda: None


class Reader:
    """Finds the form of one output after the other; collects the images."""

    def __init__(self, options: Options) -> None:
        self.images: list[Image] = []
        self._options = options

    def form(self, index: int, output: Mapping[str, Any]) -> Form | None:
        """Return the form of an output; None where there is nothing to show."""
        subject = f"output {index} ({output.get('name') or output['output_type']})"
        before = len(self.images)
        try:
            found = self._form(index, output)
        except UNRENDERABLE as error:
            del self.images[before:]
            return Summary(self._text(not_rendered(_subject(output, subject), error), None))
        return None if found is None else Isolated(found, _subject(output, subject))

    def _form(self, index: int, output: Mapping[str, Any]) -> Form | None:
        kind = output["output_type"]
        if kind == "stream":
            return self._stream(output)
        if kind == "error":
            return self._error(output)
        data = {mime: _joined(value) for mime, value in (output.get("data") or {}).items()}
        return self._bundle(index, data) if data else None

    def _text(self, text: str, language: str | None = "", way: Way = "text") -> Form:
        """Return text; in Markdown it is fenced, unless there is no language for that."""
        form = Text(self._pieces(text), self._options.max_chars, way)
        return (
            Fenced(form, language) if self._options.is_markdown and language is not None else form
        )

    def _pieces(self, text: str) -> Iterator[str]:
        for begin in range(0, len(text), _PIECE_CHARS):
            self._options.check()
            yield text[begin : begin + _PIECE_CHARS]

    def _stream(self, output: Mapping[str, Any]) -> Form | None:
        text: Any = output.get("text") or ""
        if isinstance(text, dict):
            return Summary(
                self._text(f"text, {size(text.get('size_bytes') or 0)}, not read", None), "text"
            )
        stream = text if isinstance(text, Stream) else Stream.of(text, self._options.max_chars)
        missing = output.get("truncated_chars") or 0
        if missing:
            stream.feed(f"\n… {counted(missing, 'more character')} …")
        shown = Text(stream, self._options.max_chars)
        if not shown.total_chars:
            return None
        form: Form = Fenced(shown) if self._options.is_markdown else shown
        return Summary(form, "text") if missing else form

    def _error(self, output: Mapping[str, Any]) -> Form:
        text = tracebacks.whole(output).strip("\n") or "an error without a name"
        if self._options.is_full_traceback:
            return self._text(text)
        found = tracebacks.trimmed(text)
        form = Error(found, self._options.max_chars)
        return Fenced(form) if self._options.is_markdown else form

    def _bundle(self, index: int, data: dict[str, Any]) -> Form | None:
        read = {mime: value for mime, value in data.items() if _is_read(mime, value)}
        shown = self._described(read) or self._pictured(index, data) or self._written(read)
        if shown is None:
            return self._named(data)
        form, used = shown
        others = [
            mime if mime in read else f"{mime} ({size(_bytes(value))})"
            for mime, value in data.items()
            if mime not in used
        ]
        if form is None or not others:
            return form
        if len(read) < len(data) and _SAYS_NOTHING.fullmatch(str(read.get("text/plain", "-"))):
            form = Summary(form)
        return Noted(form, f"[also: {', '.join(others)}]")

    def _described(self, data: dict[str, Any]) -> tuple[Form, frozenset[str]] | None:
        """Return what is described in words: plots, maps, widgets, tables."""
        for mime, value in data.items():
            describe = (
                plots.plotly
                if mime == plots.PLOTLY
                else plots.geojson
                if mime == plots.GEOJSON
                else plots.vega
                if plots.VEGA.fullmatch(mime)
                else None
            )
            if describe and (said := describe(_loaded(value))):
                return Summary(self._text(said, None)), _SAME | {mime}
        if _WIDGET in data:
            return self._widget(data), _SAME | {_WIDGET}
        html = data.get("text/html")
        if isinstance(html, str) and (chart := plots.vega_in(html)) and (said := plots.vega(chart)):
            return Summary(self._text(said, None)), _SAME
        html = html if isinstance(html, str) and len(html) <= hypertext.MOST_CHARS else ""
        if "<table" in html and (table := hypertext.only_table(html)):
            is_markdown = self._options.is_markdown
            whole = table.text(is_markdown=is_markdown)

            def shorten(max_chars: int) -> str | None:
                return table.shortened(max_chars, is_markdown=is_markdown)

            return Shortened(whole, shorten), _SAME
        return None

    def _widget(self, data: dict[str, Any]) -> Form:
        said = data.get("text/plain")
        model = data[_WIDGET].get("model_id", "") if isinstance(data[_WIDGET], dict) else ""
        return self._text(f"widget, when it was shown: {said}" if said else f"widget {model}", None)

    def _pictured(
        self, index: int, data: dict[str, Any]
    ) -> tuple[Form | None, frozenset[str]] | None:
        pictures = (mime for mime in IMAGES if mime in data)
        mime = next(
            (m for m in pictures if isinstance(data[m], str) or is_reference(data[m])), None
        )
        if mime is None:
            return None
        found = image(len(self.images) + 1, index, mime, data[mime])
        self.images.append(found)
        text = found.description
        alt = data.get("text/plain")
        alt = "" if not isinstance(alt, str) or _SAYS_NOTHING.fullmatch(alt) else alt
        if 0 < len(alt) <= _MOST_ALT_CHARS and "\n" not in alt:
            text += f" {alt}" if alt.startswith("<") else f" ({alt})"
        return self._text(text, None), _SAME | {mime}

    def _written(self, data: dict[str, Any]) -> tuple[Form | None, frozenset[str]] | None:
        """Return what is text: as it is, or what can be read of it."""
        plain = data.get("text/plain")
        is_markdown = self._options.is_markdown
        says_nothing = not isinstance(plain, str) or _SAYS_NOTHING.fullmatch(plain.strip())
        if "text/markdown" in data and (says_nothing or is_markdown):
            return self._text(str(data["text/markdown"]), None), _SAME
        if "text/latex" in data and (says_nothing or is_markdown):
            return self._text(str(data["text/latex"]), None), _SAME
        for mime, value in data.items():
            if _JSON.fullmatch(mime) and says_nothing:
                return self._json(_loaded(value)), frozenset((mime, "text/plain"))
        html = data.get("text/html")
        if isinstance(html, str) and says_nothing and len(html) <= hypertext.MOST_CHARS:
            if text := hypertext.as_text(html, is_markdown=is_markdown):
                return self._text(text, None, "value"), _SAME
        if isinstance(plain, str) and (plain or len(data) == 1):
            return (self._text(plain) if plain else None), frozenset(("text/plain",))
        for mime, value in data.items():
            if mime.startswith("text/"):
                return self._text(str(value)), frozenset((mime,))
        return None

    def _json(self, value: Any) -> Form:
        form = Shortened(as_json(value), lambda max_chars: abridged(value, max_chars))
        return Fenced(form, "json") if self._options.is_markdown else form

    def _named(self, data: dict[str, Any]) -> Form:
        """Return what there is, by its kind and size."""
        return Summary(
            self._text(", ".join(f"{mime} ({size(_bytes(data[mime]))})" for mime in data), None)
        )


def is_reference(value: Any) -> bool:
    """Say whether this stands for a value that lies elsewhere. A value may look like it."""
    return (
        isinstance(value, dict)
        and value.keys() >= {"blob", "encoding", "size_bytes"}
        and isinstance(value["blob"], str)
        and isinstance(value["size_bytes"], int)
    )


def _is_read(mime: str, value: Any) -> bool:
    """Say whether the value is there, and not too long for what is made of it."""
    if is_reference(value):
        return False
    if not isinstance(value, str):
        return True
    if mime == "text/html":
        is_chart = len(value) <= MOST_JSON_CHARS and "vegaEmbed" in value
        return is_chart or len(value) <= hypertext.MOST_CHARS
    return len(value) <= MOST_JSON_CHARS or not (mime.endswith("json") or mime == "image/svg+xml")


def _subject(output: Mapping[str, Any], otherwise: str) -> str:
    data = output.get("data")
    if not isinstance(data, dict) or not data:
        return otherwise
    named = []
    for mime, value in list(data.items())[:5]:
        try:
            named.append(f"{str(mime)[:60]} ({size(_bytes(value))})")
        except UNRENDERABLE:
            named.append(str(mime)[:60])
    return ", ".join(named)


def _joined(value: Any) -> Any:
    """Return nbformat's multi-line strings as one."""
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value


def _loaded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _bytes(value: Any) -> int:
    if is_reference(value):
        return int(value["size_bytes"])
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
