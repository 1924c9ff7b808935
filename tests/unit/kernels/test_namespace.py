"""What is said of values of libraries, with stand-ins for these: none of the user's code is run."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from runtimed.kernels import namespace

if TYPE_CHECKING:
    import pytest


class Hangs:
    """Whatever is asked of it fails, where in a user's kernel it could hang."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    __repr__ = __str__ = __len__ = None  # type: ignore[assignment]


def library(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    module = types.ModuleType(name)
    for member in members.values():
        if isinstance(member, type):
            member.__module__ = name
    module.__dict__.update(members)
    monkeypatch.setitem(sys.modules, name, module)


def described(value: Any) -> dict[str, Any]:
    (entry,) = namespace.describe({"x": value}, {})["variables"]
    return dict(entry)


class DType:
    def __init__(self, text: str, names: tuple[str, ...] | None = None) -> None:
        self.kind = "V" if names else "f"
        self.names, self.subdtype = names, None
        self.fields = {name: (DType("float64"), 0) for name in names or ()}
        self.text = text

    def __str__(self) -> str:
        assert not self.names, "its text shows titles of fields: any objects"
        return self.text


def ndarray(dtype: DType) -> type:
    class Array:
        shape = property(lambda self: (2, 3))
        nbytes = property(lambda self: 48)
        dtype_ = dtype

    Array.dtype = property(lambda self: dtype)  # type: ignore[attr-defined]
    Array.__name__ = "ndarray"
    return Array


def numpy(monkeypatch: pytest.MonkeyPatch, dtype: DType) -> type:
    array = ndarray(dtype)
    scalars = {name: type(name, (), {}) for name in ("number", "bool_", "datetime64")}
    texts = {"str_": type("str_", (str,), {}), "bytes_": type("bytes_", (bytes,), {})}
    library(monkeypatch, "numpy", ndarray=array, **scalars, **texts)
    return array


ARRAY = {"shape": [2, 3], "length": 2, "size_bytes": 48}


def test_an_array_of_a_derived_type_is_asked_past_that(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(numpy(monkeypatch, DType("float64"))):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

        shape = nbytes = dtype = property(lambda self: 1 / 0)

    assert described(Mine()) == {"name": "x", "type": "Mine", "repr": "2 x 3 float64", **ARRAY} | {
        "type": namespace._type_name(Mine)
    }


def test_of_a_structured_array_the_fields_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    array = numpy(monkeypatch, DType("", tuple("abcdefghij")))
    text = described(array())["repr"]
    assert text.startswith("2 x 3 {a: float64, b: float64, ")
    assert text.endswith("h: float64, \u2026}")


def test_columns_of_others_are_not_asked_for_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    class Values:
        nbytes = 8

    class Series:
        shape = (1,)

        def __init__(self, values: Any, dtype: Any) -> None:
            block = types.SimpleNamespace(values=values)
            self._mgr = types.SimpleNamespace(blocks=(block,))
            self.dtype = dtype

    class DataFrame(Series):
        shape = (1, 20)  # type: ignore[assignment]
        columns = (Hangs(), *range(19))

    others = {name: type(name, (), {}) for name in ("Index", "Timestamp", "Timedelta", "Period")}
    library(monkeypatch, "pandas", Series=Series, DataFrame=DataFrame, Values=Values, **others)
    theirs = types.SimpleNamespace(values=Values())
    assert described(Series(Values(), Hangs())) == {
        **{"name": "x", "type": "pandas.Series", "shape": [1], "length": 1, "size_bytes": 8},
        "repr": "1 Hangs",
    }
    assert "size_bytes" not in described(Series(Hangs(), Hangs()))
    frame = DataFrame(Values(), None)
    text = described(frame)["repr"]
    assert text.startswith("1 x 20: <")
    assert text.endswith("Hangs object>, 0, 1, 2, 3, 4, 5, 6, \u2026")
    frame._mgr.blocks = (theirs,) * (namespace.MAX_BLOCKS + 1)
    assert "size_bytes" not in described(frame)


def test_a_tensor_and_a_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tensor:
        shape, dtype, device = (2, 3), "torch.float32", "cpu"

        def element_size(self) -> int:
            return 4

        def nelement(self) -> int:
            return 6

    class Parameter(Tensor):
        pass

    class Mine(Tensor):
        __getattribute__ = None  # type: ignore[assignment,misc]

    library(monkeypatch, "torch.nn.parameter", Parameter=Parameter)
    nn = types.SimpleNamespace(Parameter=Parameter)
    library(monkeypatch, "torch", Tensor=Tensor, nn=nn)
    said = {"shape": [2, 3], "length": 2, "size_bytes": 24, "repr": "2 x 3 torch.float32 on cpu"}
    assert described(Tensor()) == {"name": "x", "type": "torch.Tensor", **said}
    assert described(Parameter()) == {"name": "x", "type": "torch.nn.parameter.Parameter", **said}
    assert "shape" not in described(Mine())


def test_a_library_that_was_never_imported_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "polars", raising=False)
    kind = type("DataFrame", (), {"__module__": "polars.dataframe.frame"})
    assert described(kind())["type"] == "polars.dataframe.frame.DataFrame"
    assert "polars" not in sys.modules
