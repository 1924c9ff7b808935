"""Arguments as models write them, made into what a tool takes: tolerant, or refused in a sentence.

"5" is 5, "true" is True, null is what is left out, a lone string is a list of one; a name that is
not known is refused with the one that was meant, so that nothing is ignored silently.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from typing import Any, get_args, get_origin

import msgspec

from runtimed.mcp.definitions import BY_NAME, Arguments, Tool

#: What models call our arguments, from other tools.
_OTHER_NAMES = {
    "args": "code",
    "cell": "code",
    "command": "code",
    "count": "limit",
    "env": "kernel",
    "environment": "kernel",
    "execution_id": "execution",
    "filter": "grep",
    "id": "execution",
    "input": "value",
    "kernel_id": "runtime",
    "kernel_name": "kernel",
    "language": "kernel",
    "line": "value",
    "lines": "tail",
    "max_length": "max_chars",
    "max_output": "max_chars",
    "offset": "cursor",
    "packages": "dependencies",
    "pattern": "grep",
    "requirements": "dependencies",
    "runtime_id": "runtime",
    "script": "code",
    "session": "runtime",
    "session_id": "runtime",
    "source": "code",
    "src": "code",
    "text": "value",
    "timeout": "wait_s",
    "timeout_s": "wait_s",
    "timeout_secs": "wait_s",
    "timeout_seconds": "wait_s",
    "wait": "wait_s",
    "with": "dependencies",
    "working_directory": "cwd",
}
#: Between requirements, not inside one: "pandas[excel,aws]>=2,<3, numpy" are two.
_SEVERAL = re.compile(r"[\s,]+(?=[A-Za-z])(?![^\[]*\])")
#: What is brought into its bounds in place of being refused.
_CLAMPED = ("wait_s", "max_chars")
_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0"))


class BadArguments(Exception):
    """The arguments do not fit; the message says what would."""

    exit_code = 2


def known(name: str) -> Tool:
    """Return the tool of a name. Raises `BadArguments` that names the nearest."""
    if (tool := BY_NAME.get(name)) is not None:
        return tool
    near = difflib.get_close_matches(name, BY_NAME, 1, 0.5)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise BadArguments(
        f"There is no tool {_shown(name)}.{meant} The tools are {', '.join(BY_NAME)}."
    )


def parse(tool: Tool, raw: object) -> Arguments:
    """Return the arguments of a tool. Raises `BadArguments`."""
    given = _members(tool, raw)
    hints = {field.name: field for field in msgspec.structs.fields(tool.arguments)}
    for name in given:
        if name not in hints:
            raise BadArguments(_unknown(tool, name, list(hints)))
    for name, field in hints.items():
        if field.required and name not in given:
            raise BadArguments(f"{tool.name} needs `{name}`: {_words(tool, name)}")
    taken = {name: _coerced(tool, name, hints[name].type, value) for name, value in given.items()}
    try:
        return msgspec.convert(taken, tool.arguments)
    except msgspec.ValidationError as error:
        raise BadArguments(_sentence(tool, error)) from None


def _members(tool: Tool, raw: object) -> dict[str, Any]:
    """Return what was given, without nulls."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw) if raw.strip() else None
        except (ValueError, RecursionError):
            raw = [raw]
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise BadArguments(f"{tool.name} takes an object of named arguments, not {_shown(raw)}.")
    return {str(name): value for name, value in raw.items() if value is not None}


def _unknown(tool: Tool, name: str, names: list[str]) -> str:
    meant = _OTHER_NAMES.get(name.lower().replace("-", "_"))
    if meant not in names:
        near = difflib.get_close_matches(name.lower(), names, 1, 0.5)
        meant = near[0] if near else None
    hint = f"; did you mean `{meant}`?" if meant else "."
    return (
        f"{tool.name} has no argument `{_shown(name, quoted=False)}`{hint} "
        f"It takes {', '.join(f'`{each}`' for each in names)}. Nothing was done."
    )


def _coerced(tool: Tool, name: str, hint: Any, value: object) -> object:
    kinds = _kinds(hint)
    found = value
    if bool in kinds:
        found = _boolean(value)
    elif float in kinds or int in kinds:
        found = _number(value, whole=float not in kinds)
    elif list in kinds:
        found = _strings(value)
    elif isinstance(value, bool | int | float):
        found = json.dumps(value)
    if not all(map(_is_whole, found if isinstance(found, list) else [found])):
        raise BadArguments(
            f"{tool.name}: `{name}` has half of a character in it (a surrogate): write it whole. "
            "Nothing was done."
        )
    if found is not None and not isinstance(found, float | int):
        return found
    if found is None or (isinstance(found, float) and not math.isfinite(found)):
        raise BadArguments(f"{tool.name}: `{name}` cannot be {_shown(value)}: {_words(tool, name)}")
    return _clamped(tool, name, found) if name in _CLAMPED else found


def _is_whole(value: object) -> bool:
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _clamped(tool: Tool, name: str, value: float) -> float:
    schema = tool.schema()["properties"][name]
    return min(max(value, type(value)(schema["minimum"])), type(value)(schema["maximum"]))


def _kinds(hint: Any) -> set[Any]:
    """Return the plain types that a hint is made of."""
    kinds: set[Any] = set()
    pending = [hint]
    while pending:
        each = pending.pop()
        origin = get_origin(each)
        if origin is list or each is list:
            kinds.add(list)
        elif origin is not None:
            # Of Annotated only the type says what it is; of a union all do.
            arguments = get_args(each)
            pending.extend(arguments[:1] if hasattr(each, "__metadata__") else arguments)
        else:
            kinds.add(each)
    return kinds


def _boolean(value: object) -> object:
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def _number(value: object, *, whole: bool) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = value if isinstance(value, int) else float(value)
    except ValueError:
        return None
    if not whole or isinstance(number, int):
        return number
    return int(number) if number.is_integer() else None


def _strings(value: object) -> object:
    """Return a list of strings; a string may be the JSON of one, or several with commas."""
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            try:
                return json.loads(value)
            except (ValueError, RecursionError):
                pass
        return [each.strip() for each in _SEVERAL.split(value) if each.strip()]
    return value


def _words(tool: Tool, name: str) -> str:
    """Return what the schema says of an argument, as a sentence."""
    schema = tool.schema()["properties"][name]
    kind = {"array": "list of strings"}.get(schema.get("type"), schema.get("type", "value"))
    if "enum" in schema:
        kind = f"one of {', '.join(schema['enum'])}"
    least, most = schema.get("minimum"), schema.get("maximum")
    span = "" if least is None else f" from {least} to {most}" if most else f", at least {least}"
    return f"{kind}{span}. {schema.get('description', '')}".strip()


def _sentence(tool: Tool, error: msgspec.ValidationError) -> str:
    """Return what is wrong, naming the argument as a model wrote it."""
    text, _, place = str(error).partition(" - at `$.")
    name = place.split("[")[0].strip("`.") if place else ""
    if name in tool.schema()["properties"]:
        return f"{tool.name}: `{name}` does not fit ({text}): {_words(tool, name)}"
    return f"{tool.name}: {error}"


def _shown(value: object, *, quoted: bool = True) -> str:
    """Return a value as a sentence can carry it."""
    try:
        text = json.dumps(value, ensure_ascii=True) if quoted else str(value)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
