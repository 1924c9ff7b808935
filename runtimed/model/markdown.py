"""A notebook as Markdown: its code and output in fences, its images in their place. Pure."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from runtimed.model.rendering.forms import fenced, with_line_end
from runtimed.model.rendering.images import IMAGES
from runtimed.model.rendering.terminal import as_shown
from runtimed.model.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def as_markdown(notebook: Mapping[str, Any]) -> str:
    """Return a notebook (nbformat 4.5) as Markdown."""
    language = str(notebook["metadata"].get("language_info", {}).get("name", ""))
    blocks = [block for cell in notebook["cells"] for block in _cell(cell, language)]
    return "\n".join(blocks)


def _cell(cell: Mapping[str, Any], language: str) -> Iterator[str]:
    source = cell["source"]
    if cell["cell_type"] != "code":
        yield fenced(source) if cell["cell_type"] == "raw" else with_line_end(source)
        return
    yield fenced(source, language.lower())
    said = ""
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            said += _joined(output["text"])  # stdout and stderr, as they came on a terminal
            continue
        if said:
            yield fenced(as_shown(said))
        said = ""
        yield _output(output)
    if said:
        yield fenced(as_shown(said))
    remarks = cell["metadata"].get("runtimed")  # a file may have anything there
    if isinstance(remarks, dict) and (status := remarks.get("status")):
        yield f"*{status}*\n"


def _output(output: Mapping[str, Any]) -> str:
    if output["output_type"] == "error":
        lines = output["traceback"] or [f"{output['ename']}: {output['evalue']}"]
        return fenced(plain("\n".join(lines)))
    data = output["data"]
    if "text/markdown" in data:
        return with_line_end(_joined(data["text/markdown"]))
    for mime in IMAGES:
        if mime in data:
            return _image(mime, _joined(data[mime]))
    if "text/latex" in data:
        return with_line_end(_joined(data["text/latex"]))
    for mime in ("text/plain", "text/html"):
        if mime in data:
            return fenced(as_shown(_joined(data[mime])))
    if "application/json" in data:
        return fenced(json.dumps(data["application/json"], ensure_ascii=False, indent=2), "json")
    return fenced(" ".join(f"<{mime}>" for mime in data) or "<nothing>")


def _image(mime: str, value: str) -> str:
    if mime == "image/svg+xml":
        value = base64.b64encode(value.encode()).decode("ascii")
    return f"![{mime}](data:{mime};base64,{''.join(value.split())})\n"


def _joined(text: object) -> str:
    if isinstance(text, list):
        return "".join(map(str, text))
    return str(text)
