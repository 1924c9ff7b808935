"""Parameters as code: assignments of values in the languages that kernels speak. Pure."""

from __future__ import annotations

import json
import keyword
import math
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from runt.failures import UsageFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME = re.compile(r"[^\W\d]\w*")
_ASCII_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_R_NAME = re.compile(r"[^\W\d_]\w*")
#: Values may be in one another so deep: more is a mistake, and too much for some who read them.
_MOST_LEVELS = 50


class Language(NamedTuple):
    """How a language writes a comment, an assignment and a value, and what it calls a name."""

    comment: str
    assignment: str
    value: Callable[[Any], str]
    name: re.Pattern[str] = _NAME
    reserved: frozenset[str] = frozenset()


def assignments(language: str, parameters: Mapping[str, Any]) -> str:
    """Return the code that gives the parameters their values. Raises `UsageFailure`."""
    known = _LANGUAGES.get(language.lower())
    if known is None:
        names = ", ".join(sorted(_LANGUAGES))
        raise UsageFailure(f"parameters can be written in {names}, not in {language}")
    lines = [f"{known.comment} Parameters"]
    for name, value in parameters.items():
        if not known.name.fullmatch(name) or name in known.reserved:
            raise UsageFailure(f"{name!r} cannot be the name of a parameter in {language}")
        if _levels(value) > _MOST_LEVELS:
            raise UsageFailure(f"the value of {name} has more than {_MOST_LEVELS} levels")
        lines.append(known.assignment.format(name=name, value=known.value(value)))
    return "\n".join(lines)


def _levels(value: Any) -> int:
    """Return how deep lists and objects are in one another; no deeper than is asked about."""
    levels, there = 0, [value]
    while levels <= _MOST_LEVELS and (there := [v for v in there if isinstance(v, list | dict)]):
        levels += 1
        there = [
            v for outer in there for v in (outer if isinstance(outer, list) else outer.values())
        ]
    return levels


def _python(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)}: {_python(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_python, value))}]"
    return repr(value) if value is None or isinstance(value, bool | int | float) else _text(value)


def _text(value: object) -> str:
    """Return a string in double quotes as C, and what came after it, write one."""
    return json.dumps(str(value), ensure_ascii=False)


def _r(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if isinstance(value, dict):
        if "" in value:
            raise UsageFailure("a name in an R list cannot be empty")
        return f"list({', '.join(f'{_text(k)} = {_r(v)}' for k, v in value.items())})"
    if isinstance(value, list):
        return f"list({', '.join(map(_r, value))})"
    return repr(value) if isinstance(value, int | float) else _text(value)


def _julia(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    if isinstance(value, dict):
        pairs = (f"{_julia(str(k))} => {_julia(v)}" for k, v in value.items())
        return f"Dict({', '.join(pairs)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_julia, value))}]"
    if isinstance(value, int | float):
        return repr(value)
    return _text(value).replace("$", "\\$")


def _javascript(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)}: {_javascript(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_javascript, value))}]"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return _text(value)


def _bash(value: Any) -> str:
    if isinstance(value, dict):
        raise UsageFailure("a shell's parameter cannot be an object")
    if isinstance(value, list):
        if any(isinstance(item, list | dict) for item in value):
            raise UsageFailure("a shell's list cannot hold lists or objects")
        return f"({' '.join(map(_bash, value))})"
    if isinstance(value, bool):
        return str(value).lower()
    return "''" if value is None else shlex.quote(str(value))


_ECMASCRIPT = Language(
    "//",
    "var {name} = {value};",
    _javascript,
    reserved=frozenset(
        (
            *("await", "break", "case", "catch", "class", "const", "continue", "debugger"),
            *("default", "delete", "do", "else", "enum", "export", "extends", "false", "finally"),
            *("for", "function", "if", "implements", "import", "in", "instanceof", "interface"),
            *("let", "new", "null", "package", "private", "protected", "public", "return"),
            *("static", "super", "switch", "this", "throw", "true", "try", "typeof", "var"),
            *("void", "while", "with", "yield"),
        )
    ),
)
_JULIA = Language(
    "#",
    "{name} = {value}",
    _julia,
    reserved=frozenset(
        (
            *("baremodule", "begin", "break", "catch", "const", "continue", "do", "else"),
            *("elseif", "end", "export", "false", "finally", "for", "function", "global", "if"),
            *("import", "let", "local", "macro", "module", "quote", "return", "struct", "true"),
            *("try", "using", "while"),
        )
    ),
)
_R = Language(
    "#",
    "{name} = {value}",
    _r,
    _R_NAME,
    frozenset(
        (
            *("if", "else", "repeat", "while", "function", "for", "next", "break", "in"),
            *("TRUE", "FALSE", "NULL", "Inf", "NaN", "NA"),
        )
    ),
)
_LANGUAGES = {
    "bash": Language("#", "{name}={value}", _bash, _ASCII_NAME),
    "javascript": _ECMASCRIPT,
    "julia": _JULIA,
    "python": Language("#", "{name} = {value}", _python, reserved=frozenset(keyword.kwlist)),
    "r": _R,
    "typescript": _ECMASCRIPT,
}
