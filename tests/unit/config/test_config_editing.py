"""Changing a setting in its file: nothing else in it changes, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runtimed.config import BadSetting, load, settings
from runtimed.config.editing import set_value, unset

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = """\
# mine, all mine

record   = "all"   # for now
max_batch = 5

  # how often
probe_interval_s = "7 s"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dir" / "config.toml"


@pytest.fixture
def written(path: Path) -> Path:
    path.parent.mkdir(mode=0o700)
    path.write_text(WRITTEN)
    path.chmod(0o640)
    return path


def test_the_first_one_makes_file_and_directories(tmp_path: Path) -> None:
    path = tmp_path / "above" / "dir" / "config.toml"
    old = os.umask(0)
    try:
        set_value(str(path), "record", "off")
    finally:
        os.umask(old)
    assert path.read_text() == 'record = "off"\n'
    modes = [each.stat().st_mode & 0o777 for each in (path.parents[1], path.parent, path)]
    assert modes == [0o700, 0o700, 0o600]


def test_the_rest_stays_as_it_is(written: Path) -> None:
    set_value(str(written), "record", "metadata")
    set_value(str(written), "log_level", "debug")
    expected = WRITTEN.replace('"all"', '"metadata"') + 'log_level = "DEBUG"\n'
    assert written.read_text() == expected
    assert unset(str(written), "max_batch")
    assert written.read_text() == expected.replace("max_batch = 5\n", "")
    assert written.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(written.parent)) == [".config.toml.lock", "config.toml"]


@pytest.mark.parametrize("name", settings())
def test_every_setting_can_be_set_and_unset(path: Path, name: str) -> None:
    setting = settings()[name]
    given = {"count": "77", "size": "128 KiB", "time": "77", "text": "/x y", "choice": ""}
    text = given[setting.kind] or setting.choices[-1]
    set_value(str(path), name, text)
    got = load({"RUNTIMED_CONFIG": str(path)})
    assert getattr(got, name) == setting.of_text(text)
    assert got.sources[name] == "file"
    if setting.kind == "size":
        assert '"128 KiB"' in path.read_text()
    assert unset(str(path), name)
    assert not unset(str(path), name)
    assert path.read_text() == ""


def test_without_a_last_line_end(written: Path) -> None:
    written.write_text("max_batch = 5")
    set_value(str(written), "record", "off")
    assert load({"RUNTIMED_CONFIG": str(written)}).record == "off"
    assert load({"RUNTIMED_CONFIG": str(written)}).max_batch == 5


def test_line_ends_and_byte_order_mark_stay(written: Path) -> None:
    written.write_bytes(b"\xef\xbb\xbf" + WRITTEN.replace("\n", "\r\n").encode())
    set_value(str(written), "log_level", "DEBUG")
    expected = (WRITTEN + 'log_level = "DEBUG"\n').replace("\n", "\r\n").encode()
    assert written.read_bytes() == b"\xef\xbb\xbf" + expected


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles" / "runtimed.toml"
    path.parent.mkdir()
    path.symlink_to("../dotfiles/runtimed.toml")  # to nothing yet
    set_value(str(path), "max_batch", "6")
    assert path.is_symlink()
    assert target.read_text() == "max_batch = 6\n"
    set_value(str(path), "max_batch", "7")
    assert path.is_symlink()
    assert target.read_text() == "max_batch = 7\n"
    assert os.listdir(target.parent) == ["runtimed.toml"]


@pytest.mark.parametrize(
    ("text", "name", "value", "words"),
    [
        (WRITTEN, "max_batch", "0", "max_batch must be a whole number"),
        (WRITTEN, "recrod", "off", "did you mean record?"),
        (WRITTEN + "zzz = 1\n", "record", "off", "'zzz'"),
        (WRITTEN + "[a]\n", "record", "off", "the table 'a'"),
        (WRITTEN + "max_batch = 6\n", "record", "off", "is not TOML"),
    ],
)
def test_what_would_not_load_is_not_written(
    written: Path, text: str, name: str, value: str, words: str
) -> None:
    written.write_text(text)
    inode = written.stat().st_ino
    with pytest.raises(BadSetting, match=words.replace("?", r"\?")):
        set_value(str(written), name, value)
    assert written.read_text() == text
    assert written.stat().st_ino == inode


def test_a_wrong_file_is_put_right_step_by_step(written: Path) -> None:
    written.write_text('zzz = 1\nmax_batch = "many"\nrecord = "al"\n')
    assert unset(str(written), "zzz")
    assert unset(str(written), "max_batch")
    set_value(str(written), "record", "off")
    assert written.read_text() == 'record = "off"\n'
    with pytest.raises(BadSetting, match="there is no setting 'zzz'"):
        unset(str(written), "zzz")


def test_where_it_cannot_be_written_it_stays(tmp_path: Path) -> None:
    """A full disk, as a limit on the size of files is to who writes."""
    path = tmp_path / "config.toml"
    path.write_text(WRITTEN)
    program = """
import resource, signal, sys
from runtimed.config.editing import set_value
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    set_value(sys.argv[1], "record", "off")
except OSError as error:
    print(error.strerror)
"""
    run = subprocess.run(
        [sys.executable, "-B", "-c", program, str(path)], capture_output=True, text=True
    )
    assert run.stdout == "File too large\n", run.stderr
    assert path.read_text() == WRITTEN
    assert sorted(os.listdir(tmp_path)) == [".config.toml.lock", "config.toml"]


def test_of_many_who_write_at_once_none_is_lost(path: Path) -> None:
    """Each process changes a setting of its own many times; at the end all have their last word."""
    program = """
import sys
from runtimed.config.editing import set_value
path, name = sys.argv[1:]
sys.stdin.read()
for number in range(100, 140):
    set_value(path, name, str(number))
"""
    names = ["max_batch", "subscriber_events", "probe_interval_s", "ipc_silence_s"]
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(path), name], stdin=subprocess.PIPE)
        for name in names
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0] * len(names)
    got = load({"RUNTIMED_CONFIG": str(path)})
    assert [getattr(got, name) for name in names] == [139] * len(names)
