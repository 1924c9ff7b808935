"""Settings: each is parsed, bounded, shown, and used as it says of itself."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from runtimed.config import BadSetting, Config, Setting, find, load, settings
from runtimed.config.values import SIZE_UNITS, TIME_UNITS, WrongValue

RUNTIMED = Path(__file__).parents[3] / "runtimed"
ALL = list(settings().values())
NUMBERS = [setting for setting in ALL if setting.kind in ("count", "size", "time")]
SIZE = find("max_request_bytes")
TIME = find("probe_interval_s")
#: Where the parts are built: what is read there and nowhere else keeps its value.
STARTS = {"runtimed/main.py", "__init__", "run"}


def by_name(setting: Setting) -> str:
    return setting.name


def test_every_field_is_a_setting() -> None:
    assert list(settings()) == [field.name for field in dataclasses.fields(Config)]
    assert all(getattr(Config(), name) == each.default for name, each in settings().items())


@pytest.mark.parametrize("setting", ALL, ids=by_name)
def test_a_setting_says_what_it_is_for_and_takes_its_own_default(setting: Setting) -> None:
    assert setting.about.endswith((".", "after it."))
    assert setting.check(setting.default) == setting.default
    assert setting.of_text(setting.show(setting.default)) == setting.default
    suffix = {"size": "_bytes", "time": "_s"}.get(setting.kind, "")
    assert setting.name.endswith(suffix)


@pytest.mark.parametrize("setting", NUMBERS, ids=by_name)
def test_bounds_are_within_and_beyond_them_is_refused(setting: Setting) -> None:
    assert setting.least <= float(setting.default) <= setting.most
    for bound in (setting.least, setting.most):
        assert setting.of_text(setting.show(bound)) == bound
        assert setting.of_toml(type(setting.default)(bound)) == bound
    step = 0.001 if setting.kind == "time" else 1
    for beyond in (setting.least - step, setting.most + step, min(0, setting.least - step), -1):
        with pytest.raises(WrongValue, match=r"must be .* from .* to "):
            setting.of_toml(beyond)


@pytest.mark.parametrize("setting", ALL, ids=by_name)
@pytest.mark.parametrize("given", [True, [], {}, [1], float("nan"), float("inf"), 10**400, None])
def test_a_value_of_another_type_is_refused(setting: Setting, given: object) -> None:
    with pytest.raises(WrongValue) as refused:
        setting.of_toml(given)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("setting", NUMBERS, ids=by_name)
@pytest.mark.parametrize(
    "text", ["", " ", "many", "1e3", "0x10", "_", "-", "\u0661\u0660", "1 2", "5 parsecs"]
)
def test_text_that_is_no_number_is_refused(setting: Setting, text: str) -> None:
    with pytest.raises(WrongValue):
        setting.of_text(text)


def test_a_setting_without_a_unit_takes_none() -> None:
    with pytest.raises(WrongValue):
        find("max_batch").of_text("10 kB")
    with pytest.raises(WrongValue):
        find("max_batch").of_toml("10")
    with pytest.raises(WrongValue):
        find("max_batch").of_toml(10.0)
    with pytest.raises(WrongValue):
        SIZE.of_text("10 s")


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("65536", 65536),
        ("65_536", 65536),
        ("65536 B", 65536),
        ("16 MiB", 16 * 1024**2),
        ("16MiB", 16 * 1024**2),
        (" 16 mib ", 16 * 1024**2),
        ("16M", 16 * 1024**2),
        ("16 MB", 16 * 1000**2),
        ("16 kB", 16_000),
        ("1.5 GiB", 3 * 1024**3 // 2),
        ("0.5MB", 500_000),
    ],
)
def test_sizes(text: str, bytes_: int) -> None:
    assert SIZE.of_text(text) == bytes_
    assert isinstance(SIZE.of_text(text), int)


@pytest.mark.parametrize(
    "text", ["4096.5", "0.0001 MB", "1 TiB", "99999999999999999999 T", "16 Mi"]
)
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(WrongValue):
        SIZE.of_text(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10.0),
        ("0.1", 0.1),
        ("100 ms", 0.1),
        ("2 min", 120.0),
        ("0.5h", 1800.0),
        ("1 H", 3600.0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert TIME.of_text(text) == seconds
    assert isinstance(TIME.of_toml(10), float)


def test_units_differ_in_more_than_case() -> None:
    for units in (SIZE_UNITS, TIME_UNITS):
        assert len({unit.lower() for unit in units}) == len(units)


def test_words_are_known_in_any_case() -> None:
    assert find("log_level").of_text("debug") == "DEBUG"
    assert find("record").of_toml("OFF") == "off"
    for word in ("al", "", "all "):
        with pytest.raises(WrongValue, match="must be all, metadata or off, not"):
            find("record").of_text(word)


def test_directories_are_on_one_line() -> None:
    assert find("runtime_dirs").of_text("/a:~/b") == "/a:~/b"
    assert find("runtime_dirs").of_text("") == ""
    with pytest.raises(WrongValue, match="a string on one line"):
        find("runtime_dirs").of_toml("/a\n/b")


@pytest.mark.parametrize("setting", ALL, ids=by_name)
def test_the_environment_sets_it(setting: Setting) -> None:
    given = {"count": "77", "size": "128 KiB", "time": "77 s", "text": "/x", "choice": ""}
    text = given[setting.kind] or setting.choices[-1]
    loaded = load({"RUNTIMED_CONFIG": "/dev/null", setting.variable: text})
    assert getattr(loaded, setting.name) == setting.of_text(text) != setting.default
    assert loaded.sources == dict.fromkeys(settings(), "default") | {setting.name: "environment"}


@pytest.mark.parametrize("setting", ALL, ids=by_name)
def test_a_wrong_variable_is_named(setting: Setting) -> None:
    with pytest.raises(BadSetting) as refused:
        load({"RUNTIMED_CONFIG": "/dev/null", setting.variable: "\x00"})
    assert str(refused.value).startswith(f"{setting.variable} must be ")
    assert "\x00" not in str(refused.value)


def reads() -> dict[str, set[str]]:
    """Return, for each setting, the functions that read it of a `config`."""
    found: dict[str, set[str]] = {name: set() for name in settings()}
    for path in RUNTIMED.rglob("*.py"):
        if path.parent.name == "config":
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Attribute)
                    and node.attr in found
                    and ast.unparse(node.value).endswith(("config", "fresh"))
                ):
                    is_main = path == RUNTIMED / "main.py"
                    found[node.attr].add("runtimed/main.py" if is_main else function.name)
    return found


READS = reads()


@pytest.mark.parametrize("setting", ALL, ids=by_name)
def test_a_setting_is_read_when_it_is_used_or_needs_a_restart(setting: Setting) -> None:
    assert READS[setting.name], "nothing reads it"
    only_at_start = READS[setting.name] <= STARTS
    assert only_at_start == setting.needs_restart, READS[setting.name]
