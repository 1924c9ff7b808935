"""Whether code is whole, and how its next line begins, where the kernel does not say. Pure.

A guess has to err on one side: what is taken for unfinished ends with an empty line, always.
"""

from __future__ import annotations

import codeop
import re
import warnings

_INDENT = "    "
_OPENING, _CLOSING = "([{", ")]}"
#: Where a line comment begins, by language; "//" elsewhere.
_COMMENTS = {
    "bash": "#",
    "sh": "#",
    "r": "#",
    "ruby": "#",
    "julia": "#",
    "perl": "#",
    "octave": "%",
    "lua": "--",
    "haskell": "--",
    "sql": "--",
}
#: Words that open and close a block, of languages that have such.
_BLOCKS = {
    "bash": (r"(?:^|[;|&\s])(?:if|case|do)\b", r"(?:^|[;|&\s])(?:fi|esac|done)\b"),
    "ruby": (r"^\s*(?:if|unless|while|def|class|module|begin|case)\b|\bdo\b", r"\bend\b"),
    "julia": (r"\b(?:function|if|for|while|begin|let|struct|module|try|do)\b", r"\bend\b"),
    "lua": (r"\b(?:function|then|do|repeat)\b", r"\b(?:end|until)\b"),
}


def is_whole(code: str, language: str | None) -> bool:
    """Say whether the code would be run as it is; one line of white space at its end says so."""
    lines = code.split("\n")
    if len(lines) > 1 and not lines[-1].strip():
        return True
    if (language or "").lower() in ("python", "ipython"):
        return _is_whole_python(code)
    bare = _without_strings(code, (language or "").lower())
    if bare.endswith("\\") or bare.count("\x00"):
        return False
    depth = sum(bare.count(c) for c in _OPENING) - sum(bare.count(c) for c in _CLOSING)
    if depth > 0:
        return False
    opening, closing = _BLOCKS.get((language or "").lower(), (None, ""))
    if opening is None:
        return True
    opened = len(re.findall(opening, bare, re.MULTILINE))
    return opened <= len(re.findall(closing, bare, re.MULTILINE))


def _is_whole_python(code: str) -> bool:
    lines = code.split("\n")
    if len(lines) > 1 and lines[-1][:1].isspace():
        return False  # a block may go on
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return codeop.compile_command(code, symbol="exec") is not None
    except (SyntaxError, ValueError, OverflowError):
        return True  # magics too; the kernel has its say


def _without_strings(code: str, language: str) -> str:
    """Return the code less its strings and comments; NUL where a string does not end."""
    comment = _COMMENTS.get(language, "//")
    quotes = "\"'" if language in _COMMENTS else "\"'`"
    out: list[str] = []
    at = 0
    while at < len(code):
        character = code[at]
        if code.startswith(comment, at) and (at == 0 or code[at - 1].isspace()):
            end = code.find("\n", at)
            at = len(code) if end < 0 else end
        elif character == "\\" and at + 1 < len(code):
            at += 2
        elif character in quotes:
            at = _end_of_string(code, at)
            if at < 0:
                return "".join(out) + "\x00"
        else:
            out.append(character)
            at += 1
    return "".join(out)


def _end_of_string(code: str, start: int) -> int:
    """Return where what follows the string begins; -1 where it does not end."""
    quote, at = code[start], start + 1
    while at < len(code):
        if code[at] == "\\":
            at += 1
        elif code[at] == quote:
            return at + 1
        at += 1
    return -1


def indentation(code: str, language: str | None) -> str:
    """Return how a line after this code begins: as the last one, deeper where a block opens."""
    line = code.rsplit("\n", 1)[-1]
    present = line[: len(line) - len(line.lstrip(" \t"))]
    ends_with = (*_OPENING, ":") if language == "python" else (*_OPENING,)
    return present + _INDENT if line.rstrip().endswith(ends_with) else present
