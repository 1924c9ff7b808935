"""Outputs as one MIME bundle, for a notebook that shows an execution as a cell's value. Pure."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from runtimed.model.text import without_ansi

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runtimed.api.types import Output

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def bundle(
    outputs: Sequence[Output], text: str, otherwise: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return data and metadata: a single display's own, else all outputs as one page of HTML.

    ``otherwise`` is what is shown where there is no output at all.
    """
    if not outputs:
        return {"text/plain": otherwise}, {}
    if len(outputs) == 1 and outputs[0].data:
        return dict(outputs[0].data), dict(outputs[0].metadata or {})
    return {"text/plain": text, "text/html": page_of(outputs)}, {}


def page_of(outputs: Sequence[Output]) -> str:
    """Return outputs as HTML."""
    return "".join(map(_html, outputs))


def chosen(
    data: dict[str, Any], include: Collection[str] | None, exclude: Collection[str] | None
) -> dict[str, Any]:
    """Return the types that are asked for, and not those that are unwanted."""
    return {
        mime: value
        for mime, value in data.items()
        if (not include or mime in include) and mime not in (exclude or ())
    }


def _html(output: Output) -> str:
    if output.output_type == "stream":
        return _pre(output.text or "", output.name or "stdout")
    if output.output_type == "error":
        lines = output.traceback or [f"{output.ename}: {output.evalue}"]
        return _pre("\n".join(lines), "stderr")
    data = output.data or {}
    for mime in ("text/html", "image/svg+xml"):
        if isinstance(value := data.get(mime), str):
            return f"<div>{value}</div>"
    for mime in _IMAGES:
        if isinstance(value := data.get(mime), str):
            return f'<img src="data:{mime};base64,{html.escape("".join(value.split()))}">'
    for mime in ("text/plain", "text/markdown", "text/latex"):
        if isinstance(value := data.get(mime), str):
            return _pre(value, "result")
    return "".join(
        _pre(json.dumps(value, ensure_ascii=False), mime) for mime, value in data.items()
    )


def _pre(text: str, kind: str) -> str:
    return f'<pre title="{html.escape(kind)}">{html.escape(without_ansi(text))}</pre>'
