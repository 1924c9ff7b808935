"""Outputs as text, for people and pipes.

Imported by ``runt`` where an evaluation failed, so it imports next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What begins a string that goes on to BEL or ST: a title, a link, an image in the terminal.
STRING_BEGINS = r"[\]PX^_]"
#: A control sequence (ECMA-48) as a regular expression; of one that is none, the escape alone.
ANSI = (
    r"\x1b(?:"
    r"\[[0-?]{0,64}[ -/]{0,8}[@-~]"
    rf"|{STRING_BEGINS}[^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    r"|[ -/]{1,4}[0-~]"
    r"|[0-OQ-WYZ\\`-~]"
    r")?"
)
_PIECE_CHARS = 256 * 1024
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
    name = preferred(data, mime)
    value = None if name is None else data[name]
    if isinstance(value, str):
        return value
    if name is None or lies_elsewhere(value):
        return " ".join(map(_named, data.items())) or "<nothing>"
    import json

    return json.dumps(value, ensure_ascii=False)


def preferred(data: dict[str, Any], mime: str | None = None) -> str | None:
    """Return the type in a MIME bundle whose value is its text, here or in a blob, if there is."""
    for name in (mime, *_PREFERRED):
        value = data.get(name) if name is not None else None
        if isinstance(value, str) or lies_elsewhere(value):
            return name
        if name == mime and value is not None and not _is_elsewhere(value):
            return name
    return None


def _is_elsewhere(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= {"blob", "encoding", "size_bytes"}


def lies_elsewhere(value: Any) -> bool:
    """Say whether this stands for a text that lies in a blob."""
    return _is_elsewhere(value) and value["encoding"] in ("utf8", "json")


def _named(item: tuple[str, Any]) -> str:
    name, value = item
    if not lies_elsewhere(value):
        return f"<{name}>"
    return f"<{name}, {size(value['size_bytes'])}, in blob {value['blob']}>"


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

    sequence, parts, begin = re.compile(ANSI), [], 0
    while begin < len(text):  # in pieces: a substitution holds the interpreter's lock
        end = text.find("\x1b", begin + _PIECE_CHARS)  # no sequence is changed by an end before it
        end = len(text) if end < 0 else end
        parts.append(sequence.sub("", text[begin:end]))
        begin = end
    return "".join(parts)


def plain(text: str) -> str:
    """Return lines of text alone: no sequences, nothing that goes back and overwrites."""
    import re

    text = without_ansi(text)
    for end in ("\r\n", "\r", "\x0b", "\x0c"):
        text = text.replace(end, "\n")
    return re.sub(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]", "", text)


def shortened(text: str, most: int) -> str:
    """Return the beginning of a text that is longer, and how much more there is."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… {len(text) - most:,} more characters"


def size(bytes_: int) -> str:
    """Return a size as people read it."""
    if bytes_ < 1000:
        return f"{bytes_} B"
    scaled = float(bytes_)
    for unit in ("KB", "MB", "GB"):
        scaled /= 1000
        if scaled < 999.5 or unit == "GB":
            return f"{scaled:.0f} {unit}" if scaled >= 9.95 else f"{scaled:.1f} {unit}"
    raise AssertionError(bytes_)
