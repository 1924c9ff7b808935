"""Parameters as code: assignments of values in the languages that kernels speak. Pure."""

from __future__ import annotations

import json
import math
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from runt.failures import UsageFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME = re.compile(r"[^\W\d]\w*")


class Language(NamedTuple):
    """How a language writes a comment, an assignment and a value."""

    comment: str
    assignment: str
    value: Callable[[Any], str]


def assignments(language: str, parameters: Mapping[str, Any]) -> str:
    """Return the code that gives the parameters their values. Raises `UsageFailure`."""
    known = _LANGUAGES.get(language.lower())
    if known is None:
        names = ", ".join(sorted(_LANGUAGES))
        raise UsageFailure(f"parameters can be written in {names}, not in {language}")
    lines = [f"{known.comment} Parameters"]
    for name, value in parameters.items():
        if not _NAME.fullmatch(name):
            raise UsageFailure(f"{name!r} cannot be the name of a parameter")
        lines.append(known.assignment.format(name=name, value=known.value(value)))
    return "\n".join(lines)


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


_ECMASCRIPT = Language("//", "var {name} = {value};", _javascript)
_LANGUAGES = {
    "bash": Language("#", "{name}={value}", _bash),
    "javascript": _ECMASCRIPT,
    "julia": Language("#", "{name} = {value}", _julia),
    "python": Language("#", "{name} = {value}", _python),
    "r": Language("#", "{name} = {value}", _r),
    "typescript": _ECMASCRIPT,
}
