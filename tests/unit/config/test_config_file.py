"""The settings' file: what is read, and what is refused in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runtimed.config import BadSetting, Loaded, load, settings
from runtimed.config import file as config_file
from runtimed.paths import config_file as config_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def loaded(path: Path, text: str | bytes | None = None, **environ: str) -> Loaded:
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load({"RUNTIMED_CONFIG": str(path), **environ})


def refused(path: Path, text: str | bytes | None = None) -> str:
    with pytest.raises(BadSetting) as error:
        loaded(path, text)
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith(f"{path}")
    assert len(said) < 500
    return said.removeprefix(f"{path}")


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    assert config_path({}) == "/x/runtimed/config.toml"
    assert config_path({"RUNTIMED_CONFIG": ""}) == "/x/runtimed/config.toml"
    assert config_path({"RUNTIMED_CONFIG": "a.toml"}) == os.path.join(os.getcwd(), "a.toml")


@pytest.mark.parametrize(
    "text", [None, "", "\n", "# nothing\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf# x"]
)
def test_one_that_is_missing_or_empty_sets_nothing(path: Path, text: str | bytes | None) -> None:
    got = loaded(path, text)
    assert set(got.sources.values()) == {"default"}
    assert got.file == str(path)


def test_dev_null_is_an_empty_one() -> None:
    assert set(load({"RUNTIMED_CONFIG": "/dev/null"}).sources.values()) == {"default"}


def test_the_environment_is_before_the_file_and_that_before_the_default(path: Path) -> None:
    text = 'record = "off"\nmax_batch = 5\nprobe_interval_s = 7\nmax_request_bytes = "1 MiB"\n'
    got = loaded(path, text, RUNTIMED_RECORD="metadata")
    assert (got.record, got.max_batch, got.probe_interval_s) == ("metadata", 5, 7.0)
    assert got.max_request_bytes == 2**20
    sources = {name: source for name, source in got.sources.items() if source != "default"}
    assert sources.pop("record") == "environment"
    assert set(sources.values()) == {"file"}
    assert set(sources) == {"max_batch", "probe_interval_s", "max_request_bytes"}


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbfmax_batch = 5\n", b"max_batch = 5\r\nrecord = 'off'\r\n", b"max_batch=5"]
)
def test_byte_order_marks_and_line_ends(path: Path, text: bytes) -> None:
    assert loaded(path, text).max_batch == 5


@pytest.mark.parametrize("name", settings())
def test_a_wrong_value_is_named_with_what_was_expected(path: Path, name: str) -> None:
    assert (
        refused(path, f"{name} = true") == f": {name} must be {settings()[name].expected}, not true"
    )


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("recrod", "record"),
        ("log-level", "log_level"),
        ("RUNTIMED_MAX_BATCH", "max_batch"),
        ("max_requests_bytes", "max_request_bytes"),
        ("zzz", None),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(
    path: Path, key: str, meant: str | None
) -> None:
    said = refused(path, f"max_batch = 5\n{key} = 1\n")
    assert repr(key) in said
    assert ("did you mean" in said) == (meant is not None)
    assert f"did you mean {meant}?" in said or meant is None


def test_a_table_is_no_setting(path: Path) -> None:
    assert "the table 'daemon' (settings are in no table)" in refused(
        path, '[daemon]\nrecord = "off"\n'
    )


def test_many_unknown_keys_and_keys_of_any_kind_make_one_line(path: Path) -> None:
    assert "and 995 more" in refused(path, "".join(f"k{n} = 1\n" for n in range(1000)))
    assert "\x1b" not in refused(path, '"\\u001b[31m\\n" = 1\n')


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("record = off", "line 1, column 10"),
        ("max_batch = 5\n\nrecord 'off'", "line 3, column 8"),
        ("max_batch = 5\nmax_batch = 6\n", "line 2, column 14"),
        ("max_batch = ", "end of document"),
        ("a = " + "[" * 100_000, ""),
        ("max_batch = " + "9" * 5000, "too long a number"),
    ],
)
def test_what_is_not_toml_is_refused_with_line_and_column(
    path: Path, text: str, place: str
) -> None:
    said = refused(path, text)
    assert said.startswith((" is not TOML: ", " is nested too deeply"))
    assert place in said


def test_what_is_not_utf_8_is_refused_with_its_line(path: Path) -> None:
    assert refused(path, b"max_batch = 5\n# \xff\n") == " is not UTF-8 (at line 2)"


def test_a_huge_file_is_refused_unread(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse
    assert "longer than 1024 KiB" in refused(path)
    path.write_bytes(b"#" * config_file.MAX_BYTES)
    assert loaded(path).max_batch == 10_000


def test_a_directory_a_fifo_a_loop_and_a_device(path: Path) -> None:
    path.mkdir()
    assert refused(path) == " is a directory, not a file"
    path.rmdir()
    os.mkfifo(path)
    assert refused(path) == " is not a regular file"
    path.unlink()
    path.symlink_to(path)
    assert "Too many levels of symbolic links" in refused(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert refused(path) == " is not a regular file"


def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").write_text("max_batch = 5\n")
    path.symlink_to("dotfiles")
    assert loaded(path).max_batch == 5
    (tmp_path / "dotfiles").chmod(0o666)
    assert "mode 0666" in refused(path)


@pytest.mark.parametrize("mode", [0o602, 0o666, 0o777, 0o646])
def test_one_that_others_can_write_to_is_refused(path: Path, mode: int) -> None:
    path.write_text("")
    path.chmod(mode)
    assert refused(path) == f" has mode {mode:04o}: others can write to it (chmod go-w {path})"


def test_one_that_a_group_can_write_to(path: Path) -> None:
    path.write_text("max_batch = 5\n")
    path.chmod(0o664)
    os.chown(path, -1, 65_431)  # nobody's: the test runs as root, as in the Makefile's container
    assert "mode 0664" in refused(path)
    os.chown(path, -1, os.getgid())  # root's own: the group of that name, with nobody else in it
    assert loaded(path).max_batch == 5
    path.chmod(0o644)
    os.chown(path, -1, 65_431)
    assert loaded(path).max_batch == 5


def test_one_of_somebody_else_is_refused(path: Path) -> None:
    path.write_text("")
    os.chown(path, 65_431, 65_431)
    assert refused(path) == " belongs to uid 65431, neither to us nor to root"


def test_one_that_cannot_be_read_is_refused() -> None:
    """As an ordinary user: root reads everything."""
    program = """
import os, sys, tempfile
from runtimed.config import BadSetting, load
with tempfile.TemporaryDirectory(dir="/tmp") as directory:
    os.chmod(directory, 0o755)
    path = os.path.join(directory, "c.toml")
    open(path, "w").close()
    os.chmod(path, 0o600)
    os.seteuid(65431)
    try:
        load({"RUNTIMED_CONFIG": path})
    except BadSetting as error:
        print(str(error).removeprefix(path))
    os.seteuid(0)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout == " cannot be read: Permission denied\n", run.stderr


def test_a_reload_takes_what_can_change_and_names_the_rest(path: Path) -> None:
    here = loaded(path, 'record = "off"\nmax_batch = 5\n')
    fresh = loaded(path, 'log_level = "DEBUG"\nmax_batch = 6\nsubscriber_events = 20000\n')
    done = here.take(fresh)
    assert set(done.changed) == {"record", "log_level"}
    assert done.needs_restart == ["max_batch"]
    assert (here.record, here.log_level, here.max_batch) == ("all", "DEBUG", 5)
    sources = {name: source for name, source in here.sources.items() if source != "default"}
    assert sources == {"log_level": "file", "max_batch": "file", "subscriber_events": "file"}
    assert here.take(fresh).changed == []
