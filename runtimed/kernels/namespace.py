"""Describe the variables of a namespace, and run no code of theirs.

This text is executed inside the user's kernel: stdlib only, any Python since 3.8. Whatever a class
of the user's could hook into (repr, len, attributes, ``__class__``) is not touched: types are
compared by identity, and values of exact builtin types alone are looked into.
"""

from __future__ import annotations

import datetime
import itertools
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
#: A data frame keeps its columns in so many pieces; of one with more the size is not counted.
MAX_BLOCKS = 1000
#: Integers of more bits are not printed: that takes time, and newer Pythons refuse it.
MAX_BITS = 2048

_name_of = type.__dict__["__name__"].__get__
_module_of = type.__dict__["__module__"].__get__
_bases_of = type.__dict__["__mro__"].__get__
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
        size += len(ascii(entry))
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
        library = sys.modules[root].__dict__
        if library.get(_name_of(kind)) is kind:  # what people call it, wherever it is defined
            entry["type"] = _cut(root + "." + _name_of(kind))
        entry.update(_LIBRARIES[root](library, value))
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
    if kind is datetime.datetime and type(value.tzinfo) in _time_zones():
        return repr(value)
    if kind is types.ModuleType:
        name = value.__dict__.get("__name__")
        return "<module " + (name if type(name) is str else "?") + ">"
    if kind is type:
        return "<class " + _type_name(value) + ">"
    if kind in _FUNCTIONS and type(value.__name__) is str:
        return "<function " + value.__name__ + ">"
    return "<" + _type_name(kind) + " object>"


def _time_zones() -> list[type]:
    """Return the types of time zones that are no code of the user's."""
    zone = getattr(sys.modules.get("zoneinfo"), "__dict__", {}).get("ZoneInfo")
    return [type(None), datetime.timezone, *([] if zone is None else [zone])]


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


# Values of libraries: of the library's own types, and of numpy's arrays also in a derived one


def _library_of(kind: type) -> str | None:
    """Return the library that defines a type; numpy for a type derived from its array."""
    module = _module_of(kind)
    root = module.split(".", 1)[0] if type(module) is str else ""
    if root in _LIBRARIES and type(sys.modules.get(root)) is types.ModuleType:
        if getattr(sys.modules.get(module), "__dict__", {}).get(_name_of(kind)) is kind:
            return root
    array = getattr(sys.modules.get("numpy"), "__dict__", {}).get("ndarray")
    return "numpy" if any(base is array for base in _bases_of(kind)) else None


def _is_of(value: Any, root: str) -> bool:
    """Say whether the value's type is the library's, and not derived from one of its types."""
    module = _module_of(type(value))
    return type(module) is str and module.split(".", 1)[0] == root


def _numpy(library: dict[str, Any], value: Any) -> dict[str, Any]:
    array = library["ndarray"]
    bases = _bases_of(type(value))
    if any(base is array for base in bases):
        # What the array itself says: a derived type may say it with code of its own.
        shape, size, dtype = (
            array.__dict__[name].__get__(value) for name in ("shape", "nbytes", "dtype")
        )
        return _array(shape, size, _numpy_dtype(dtype))
    if type(value) in (library["str_"], library["bytes_"]):
        text = value[:MAX_CHARS]
        more = "\u2026" if len(value) > MAX_CHARS else ""
        return {"repr": _cut(repr(text) + more), "length": len(value), "size_bytes": value.nbytes}
    if any(base in (library["number"], library["bool_"], library["datetime64"]) for base in bases):
        return {"repr": _cut(repr(value)), "size_bytes": value.nbytes}
    return {}


def _numpy_dtype(dtype: Any) -> str:
    """Return its name. Its own text shows titles of fields and the like: any objects."""
    if dtype.names is None:
        return "StringDType" if dtype.kind == "T" else str(dtype)
    shown = [
        (name if type(name) is str else "?") + ": " + _numpy_field(dtype.fields[name][0])
        for name in dtype.names[:MAX_ITEMS]
    ]
    more = ["\u2026"] if len(dtype.names) > MAX_ITEMS else []
    return "{" + ", ".join(shown + more) + "}"


def _numpy_field(dtype: Any) -> str:
    if dtype.names is not None or dtype.subdtype is not None:
        return "\u2026"
    return _numpy_dtype(dtype)


def _pandas(library: dict[str, Any], value: Any) -> dict[str, Any]:
    kind = type(value)
    if kind is library["DataFrame"]:
        labels = [_repr(label, 1) for label in value.columns[:MAX_ITEMS]]
        return _array(value.shape, _pandas_size(value), None, labels)
    if kind is library["Series"]:
        return _array(value.shape, _pandas_size(value), _pandas_dtype(value.dtype))
    if any(base is library["Index"] for base in _bases_of(kind)):
        # The size of an index of several levels would be that of a table made for the answer.
        is_plain = kind is not library["MultiIndex"] and _is_of(value.array, "pandas")
        size = value.nbytes if is_plain else None
        return _array((len(value),), size, _pandas_dtype(value.dtype))
    if kind in (library["Timestamp"], library["Timedelta"], library["Period"]):
        if type(getattr(value, "tzinfo", None)) in _time_zones():
            return {"repr": _cut(repr(value))}
    return {}


def _pandas_size(value: Any) -> int | None:
    """Return the bytes of the values, without the index; None where others would count them.

    ``memory_usage`` takes long for many columns, and leaves caches in what another thread uses.
    """
    blocks = [block.values for block in value._mgr.blocks[: MAX_BLOCKS + 1]]
    if len(blocks) > MAX_BLOCKS:
        return None
    if not all(_is_of(values, "pandas") or _is_of(values, "numpy") for values in blocks):
        return None
    return sum(int(values.nbytes) for values in blocks)


def _pandas_dtype(dtype: Any) -> str:
    if _is_of(dtype, "numpy"):
        return _numpy_dtype(dtype)
    if not _is_of(dtype, "pandas") or _name_of(type(dtype)) == "SparseDtype":
        return str(_name_of(type(dtype)))  # the text of a sparse one shows its value
    return str(dtype)


def _polars(library: dict[str, Any], value: Any) -> dict[str, Any]:
    if type(value) is library["DataFrame"]:
        # Not by ``columns``, which takes long where there are many.
        labels = [repr(value.to_series(i).name) for i in range(min(value.shape[1], MAX_ITEMS))]
        return _array(value.shape, value.estimated_size(), None, labels)
    if type(value) is library["Series"]:
        return _array((len(value),), value.estimated_size(), _polars_dtype(value.dtype, MAX_DEPTH))
    return {}


def _polars_dtype(dtype: Any, depth: int) -> str:
    """Return its name, which for an enumeration or a structure is not all that is in it."""
    name: str = _name_of(type(dtype))
    if name in ("List", "Array") and depth > 0:
        return name + "(" + _polars_dtype(dtype.inner, depth - 1) + ")"
    is_long = name in ("List", "Array", "Struct", "Enum")
    return name if is_long or not _is_of(dtype, "polars") else str(dtype)


def _torch(library: dict[str, Any], value: Any) -> dict[str, Any]:
    if type(value) in (library["Tensor"], library["nn"].Parameter):
        size = value.element_size() * value.nelement()
        return _array(value.shape, size, f"{value.dtype} on {value.device}")
    return {}


def _array(
    shape: Any, size_bytes: int | None, dtype: str | None, labels: list[str] | None = None
) -> dict[str, Any]:
    """Return the entry of an array, or of a table with the labels of its first columns."""
    shape = [int(length) for length in shape]
    text = " x ".join(map(str, shape)) or "scalar"
    if dtype is not None:
        text += " " + dtype
    if labels:
        text += ": " + ", ".join(labels) + (", \u2026" if shape[1] > len(labels) else "")
    entry = {"shape": shape, "repr": _cut(text)}
    if shape:
        entry["length"] = shape[0]
    if size_bytes is not None:
        entry["size_bytes"] = int(size_bytes)
    return entry


_LIBRARIES = {"numpy": _numpy, "pandas": _pandas, "polars": _polars, "torch": _torch}
