"""Describe the variables of a namespace, and run no code of theirs.

This text is executed inside the user's kernel: stdlib only, any Python since 3.8. Whatever a class
of the user's could hook into (repr, len, attributes, ``__class__``) is not touched: types are
compared by identity, and values of exact builtin types alone are looked into.
"""

from __future__ import annotations

import datetime
import itertools
import json
import sys
import types
from collections import OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NAMES = 500
MAX_BYTES = 60_000
MAX_CHARS = 120
MAX_DEPTH = 2
MAX_ITEMS = 8
#: Integers of more bits are not printed: that takes time, and newer Pythons refuse it.
MAX_BITS = 2048

_name_of = type.__dict__["__name__"].__get__
_module_of = type.__dict__["__module__"].__get__
_NUMBERS = (int, float, complex, bool, type(None), type(...), type(NotImplemented))
_TEXTS = (str, bytes, bytearray)
_BRACKETS: dict[type, Any] = {
    list: "[]",
    tuple: "()",
    set: "{}",
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}
_MAPS: dict[type, Any] = {
    dict: "{}",
    OrderedDict: ("OrderedDict({", "})"),
    defaultdict: ("defaultdict({", "})"),
}
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)
_SIZED: tuple[type, ...] = (*_TEXTS, *_BRACKETS, *_MAPS, range)
_MEASURED: tuple[type, ...] = (*_SIZED, int, float, complex, bool)


def describe(namespace: dict[str, Any], hidden: dict[str, Any]) -> dict[str, Any]:
    """Return {variables, total}: the newest names, at most `MAX_NAMES` and `MAX_BYTES` of them.

    ``hidden`` are names with the values that the shell has given them.
    """
    nothing = object()
    shown = [
        (name, value)
        for name, value in dict(namespace).items()  # a copy in one step: it may change meanwhile
        if type(name) is str and not name.startswith("_") and hidden.get(name, nothing) is not value
    ]
    found = []
    size = 0
    for name, value in reversed(shown[-MAX_NAMES:]):
        try:
            entry = _entry(name, value)
        except Exception:  # noqa: BLE001 - a library's array that is broken hides no other name
            entry = {"name": _cut(name), "type": _type_name(type(value))}
        size += len(json.dumps(entry))
        if size > MAX_BYTES:
            break
        found.append(entry)
    found.reverse()
    return {"variables": found, "total": len(shown)}


def _entry(name: str, value: Any) -> dict[str, Any]:
    kind = type(value)
    entry: dict[str, Any] = {"name": _cut(name), "type": _type_name(kind)}
    is_plain = type(kind) is type  # else even a look for it in a tuple runs its class's code
    if is_plain and kind in _SIZED:
        try:
            entry["length"] = len(value)
        except OverflowError:  # a long range
            pass
    if is_plain and kind in _MEASURED:
        entry["size_bytes"] = sys.getsizeof(value)
    root = _library_of(kind)
    if root is not None:
        entry.update(_LIBRARIES[root](sys.modules[root].__dict__, value))
    entry.setdefault("repr", _cut(_repr(value, MAX_DEPTH)))
    return entry


def _type_name(kind: type) -> str:
    name, module = _name_of(kind), _module_of(kind)
    if type(name) is not str:
        name = "?"
    if type(module) is not str or module in ("builtins", "__main__"):
        return _cut(name)
    return _cut(module + "." + name)


def _cut(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "\u2026"


# Values of the language


def _repr(value: Any, depth: int) -> str:
    """Return a short text that no code of the user's had a hand in."""
    kind = type(value)
    if type(kind) is not type:
        return "<" + _type_name(kind) + " object>"
    if kind is int and value.bit_length() > MAX_BITS:
        return f"<int of {value.bit_length()} bits>"
    if kind in _NUMBERS or kind is range or kind in (datetime.date, datetime.timedelta):
        return repr(value)
    if kind in _TEXTS:
        return repr(value[:MAX_CHARS]) + ("\u2026" if len(value) > MAX_CHARS else "")
    if kind in _BRACKETS:
        return _items(value, _BRACKETS[kind], depth, lambda item: _repr(item, depth - 1))
    if kind in _MAPS:
        return _items(
            value,
            _MAPS[kind],
            depth,
            lambda item: _repr(item[0], depth - 1) + ": " + _repr(item[1], depth - 1),
        )
    return _repr_of_rarer(value, kind)


def _repr_of_rarer(value: Any, kind: type) -> str:
    if kind is datetime.datetime and type(value.tzinfo) in (type(None), datetime.timezone):
        return repr(value)
    if kind is types.ModuleType:
        name = value.__dict__.get("__name__")
        return "<module " + (name if type(name) is str else "?") + ">"
    if kind is type:
        return "<class " + _type_name(value) + ">"
    if kind in _FUNCTIONS and type(value.__name__) is str:
        return "<function " + value.__name__ + ">"
    return "<" + _type_name(kind) + " object>"


def _items(value: Any, brackets: Any, depth: int, show: Callable[[Any], str]) -> str:
    left: str = brackets[0]
    right: str = brackets[1]
    if depth <= 0:
        return left + ("\u2026" if len(value) else "") + right
    items = value.items() if type(value) in _MAPS else value
    try:
        shown = [show(item) for item in itertools.islice(items, MAX_ITEMS)]
    except RuntimeError:  # it changes in another thread
        shown = ["\u2026"]
    more = ["\u2026"] if len(value) > MAX_ITEMS else []
    comma = "," if type(value) is tuple and len(shown) == 1 and not more else ""
    return left + ", ".join(shown + more) + comma + right


# Values of libraries, where the type is the library's own and not derived from it


def _library_of(kind: type) -> str | None:
    module = _module_of(kind)
    root = module.split(".", 1)[0] if type(module) is str else ""
    if root not in _LIBRARIES:
        return None
    library = sys.modules.get(root)
    if type(library) is not types.ModuleType:
        return None
    return root if library.__dict__.get(_name_of(kind)) is kind else None


def _numpy(library: dict[str, Any], value: Any) -> dict[str, Any]:
    if type(value) is library["ndarray"]:
        return _array(value.shape, value.nbytes, str(value.dtype))
    if isinstance(value, (library["number"], library["bool_"])):
        return {"repr": _cut(repr(value)), "size_bytes": value.nbytes}
    return {}


def _pandas(library: dict[str, Any], value: Any) -> dict[str, Any]:
    if type(value) is library["DataFrame"]:
        rows, columns = value.shape
        size = int(value.memory_usage().sum()) if columns <= 1000 else None
        return _array((rows, columns), size, None)
    if type(value) is library["Series"]:
        return _array(value.shape, int(value.nbytes), str(value.dtype))
    return {}


def _polars(library: dict[str, Any], value: Any) -> dict[str, Any]:
    if type(value) is library["DataFrame"]:
        return _array(value.shape, value.estimated_size(), None)
    if type(value) is library["Series"]:
        return _array((len(value),), value.estimated_size(), str(value.dtype))
    return {}


def _torch(library: dict[str, Any], value: Any) -> dict[str, Any]:
    if type(value) is library["Tensor"]:
        size = value.element_size() * value.nelement()
        return _array(value.shape, size, f"{value.dtype} on {value.device}")
    return {}


def _array(shape: Any, size_bytes: int | None, dtype: str | None) -> dict[str, Any]:
    shape = [int(length) for length in shape]
    words = " x ".join(map(str, shape)) or "scalar"
    entry = {"shape": shape, "repr": words if dtype is None else words + " " + _cut(dtype)}
    if shape:
        entry["length"] = shape[0]
    if size_bytes is not None:
        entry["size_bytes"] = int(size_bytes)
    return entry


_LIBRARIES = {"numpy": _numpy, "pandas": _pandas, "polars": _polars, "torch": _torch}
