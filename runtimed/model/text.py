"""Outputs as text, for people and pipes.

Imported by ``runt`` where an evaluation failed, so it imports next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PREFERRED = ("text/plain", "text/markdown", "text/html", "application/json")


def output_text(output: dict[str, Any], mime: str | None = None) -> str:
    """Return one folded output as text; ``mime`` is preferred where it has it."""
    kind = output["output_type"]
    if kind == "stream":
        return str(output["text"])
    if kind == "error":
        traceback = output.get("traceback") or []
        return "\n".join(traceback) or f"{output.get('ename')}: {output.get('evalue')}"
    data: dict[str, Any] = output.get("data") or {}
    for name in (mime, *_PREFERRED):
        if name is not None and isinstance(value := data.get(name), str):
            return value
    return " ".join(f"<{name}>" for name in data) or "<nothing>"


def output_lines(outputs: list[dict[str, Any]], mime: str | None = None) -> list[str]:
    """Return the outputs as lines without their ends; each output begins a line of its own."""
    lines: list[str] = []
    for output in outputs:
        text = output_text(output, mime)
        if text:
            lines += text.removesuffix("\n").split("\n")
    return lines


def without_commands(text: str) -> str:
    """Return the text without what would do more to a terminal than to colour what is printed.

    That leaves colours (SGR), tabs, backspaces and line ends. What is cut off at either end, as
    where text comes in pieces, does nothing either: it is printed.
    """
    import re

    strings = r"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    colours = r"(\x1b\[[0-9;:]*m)"
    others = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]*[0-Z\\-~])?"
    controls = r"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
    pattern = f"{colours}|{strings}|{others}|{controls}"
    return re.sub(pattern, lambda found: found[1] or "", text)


def without_ansi(text: str) -> str:
    """Return the text without ANSI escape sequences (ECMA-48)."""
    if "\x1b" not in text:
        return text
    import re

    return re.sub(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])", "", text)


def ends_unfinished(outputs: list[dict[str, Any]]) -> bool:
    """Say whether the last line may still grow: the last output is a stream without a line end."""
    if not outputs or outputs[-1]["output_type"] != "stream":
        return False
    text = str(outputs[-1]["text"])
    return bool(text) and not text.endswith("\n")
