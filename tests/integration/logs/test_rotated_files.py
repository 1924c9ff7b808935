"""A log in files: its size, its rotation, and what several who write or read make of it."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from runtimed.logs.following import MISSED, Follower
from tests.integration.logs.conftest import logging_process

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_OPEN = """
path, name, bytes_, files = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
log = Log(RotatedFile(path, Role.DAEMON, bytes_, files))
"""
#: Entries, and now and then a line past the log, as a library or a crash writes it.
_STORM = (
    _OPEN
    + """
for number in range(2_000):
    log.write(Priority.INFO, f"{name} {number}")
    if number % 10 == 0:
        os.write(2, f"{name} raw {number}\\n".encode())
        sys.stderr.write(f"{name} python {number}\\n")
"""
)
_PLAIN = 2_000 + 2 * 200


def written(lines: Iterable[str], name: str) -> list[str]:
    """Return what one process wrote, in order, less the head of each entry."""
    bodies = (re.sub(r"^\S+Z runtimed\[\d+\] info: ", "", line).rstrip("\n") for line in lines)
    return [body for body in bodies if body.startswith(f"{name} ")]


def expected(name: str) -> list[str]:
    lines = []
    for number in range(2_000):
        lines.append(f"{name} {number}")
        if number % 10 == 0:
            lines += [f"{name} raw {number}", f"{name} python {number}"]
    return lines


def test_a_storm_of_several_processes_is_kept_whole_and_followed_whole(place: Path) -> None:
    path = place / "log"
    names = ("a", "b", "c")
    storms = [logging_process(_STORM, path, name, "16384", "1000") for name in names]
    follower, seen = Follower(str(path)), []
    while any(storm.poll() is None for storm in storms):
        seen += list(follower.read())
    seen += list(follower.read())
    follower.close()
    assert [storm.wait() for storm in storms] == [0, 0, 0]
    files = list(place.iterdir())
    assert len(files) > 10
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    everything = [line for file in files for line in file.read_text().splitlines()]
    for name in names:
        assert sorted(written(everything, name)) == sorted(expected(name))
    assert MISSED not in seen
    for name in names:
        assert sorted(written((line.decode() for line in seen), name)) == sorted(expected(name))


def test_no_more_files_are_kept_than_it_says_and_they_are_the_last(place: Path) -> None:
    path = place / "log"
    for number in range(7):
        (place / f"log.{number + 1}").write_text("of a time when more were kept\n")
    storm = logging_process(_STORM, path, "a", "16384", "3")
    assert storm.wait() == 0
    assert sorted(file.name for file in place.iterdir()) == ["log", "log.1", "log.2"]
    past_the_log = 200  # that is not looked at before it is written
    assert max(file.stat().st_size for file in place.iterdir()) < 16_384 + past_the_log
    kept = [(place / name).read_text() for name in ("log.2", "log.1", "log")]
    lines = "".join(kept).splitlines()
    assert written(lines, "a") == expected("a")[-len(lines) :]


def test_with_one_file_it_begins_anew(place: Path) -> None:
    storm = logging_process(_STORM, place / "log", "a", "16384", "1")
    assert storm.wait() == 0
    (only,) = place.iterdir()
    assert only.stat().st_size < 16_384 + 1_024
    assert only.read_text().endswith("a 1999\n")


@pytest.mark.parametrize("stdout", ["same", "other"])
def test_stderr_and_a_stdout_that_was_the_same_file_move_on_with_it(
    place: Path, stdout: str
) -> None:
    script = (
        _OPEN
        + """
log.write(Priority.INFO, "x" * 5_000)
log.write(Priority.INFO, "y" * 5_000)
os.write(1, b"on stdout\\n")
os.execvp("sh", ["sh", "-c", "echo of a child >&2"])
"""
    )
    with open(place / "log", "ab") as log, open(place / "out", "ab") as other:
        out = log if stdout == "same" else other
        process = logging_process(script, place / "log", "a", "8192", "3", stdout=out, stderr=log)
    assert process.wait() == 0
    present = (place / "log").read_text().splitlines()
    assert present[0].endswith("y" * 5_000)
    on_stdout = ["on stdout"] if stdout == "same" else []
    assert present[1:] == [*on_stdout, "of a child"]
    assert (place / "log.1").read_text().endswith("x" * 5_000 + "\n")


def test_a_file_that_was_removed_is_made_again(place: Path) -> None:
    script = (
        _OPEN
        + 'log.write(Priority.INFO, "a 1"); os.unlink(path)\n'
        + 'log.write(Priority.INFO, "a 2")'
    )
    assert logging_process(script, place / "log", "a", "8192", "3").wait() == 0
    assert written((place / "log").read_text().splitlines(), "a") == ["a 2"]


@pytest.mark.parametrize("stderr", ["file", "null", "closed"])
def test_where_nobody_reads_stderr_it_is_the_file(place: Path, stderr: str) -> None:
    script = """
log = Log(standard_error(Role.DAEMON))
log.move(place_of(sys.argv[1], Role.DAEMON, 8192, 3))
log.write(Priority.INFO, "a said")
sys.stderr.write("a crash\\n") if sys.stderr else os.write(2, b"a crash\\n")
"""
    with open(place / "elsewhere" if stderr != "null" else os.devnull, "ab") as elsewhere:
        more = {} if stderr == "closed" else {"stderr": elsewhere}
        close = (lambda: os.close(2)) if stderr == "closed" else None
        process = logging_process(script, place / "log", preexec_fn=close, **more)
    assert process.wait() == 0
    assert written((place / "log").read_text().splitlines(), "a") == ["a said", "a crash"]


def test_where_somebody_reads_stderr_it_stays_and_a_reader_that_stops_holds_up_nobody(
    place: Path,
) -> None:
    script = """
log = Log(standard_error(Role.DAEMON))
log.move(place_of(sys.argv[1], Role.DAEMON, 8192, 3))
for number in range(3_000):
    log.write(Priority.INFO, f"a {number} {'x' * 200}")
os.write(1, b"all written")
os.read(int(sys.argv[2]), 1)
log.write(Priority.INFO, "a last")
"""
    come, go = os.pipe()
    process = logging_process(
        script,
        place / "log",
        str(come),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(come,),
    )
    os.close(come)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(11) == b"all written"
        # More than the pipe took waits in the process; it comes out as there is room for it.
        first = os.read(process.stderr.fileno(), 65_536).decode()
        os.write(go, b"x")
        rest = process.stderr.read().decode()
    os.close(go)
    assert not (place / "log").exists()
    lines = written((first + rest).splitlines(), "a")
    numbers = [int(line.split()[1]) for line in lines if line != "a last"]
    assert numbers == list(range(len(numbers)))
    assert 200 < len(numbers) < 3_000


def test_a_follower_that_was_too_slow_says_so(place: Path) -> None:
    path = place / "log"
    path.write_text("one\n")
    follower = Follower(str(path))
    assert list(follower.read()) == [b"one\n"]
    path.unlink()
    (place / "log.1").write_text("three\n")
    path.write_text("four\nfi")
    assert list(follower.read()) == [MISSED, b"three\n", b"four\n"]
    with path.open("a") as file:
        file.write("ve\n")
    assert list(follower.read()) == [b"five\n"]
    assert list(follower.read()) == []
    follower.close()


def test_what_was_appended_to_a_file_just_before_it_was_renamed_comes_first(place: Path) -> None:
    path = place / "log"
    path.write_text("one\n")
    follower = Follower(str(path))
    assert list(follower.read()) == [b"one\n"]
    with path.open("a") as late:
        late.write("two\n")
        late.flush()
        path.rename(place / "log.1")
        path.write_text("three\n")
        assert list(follower.read()) == [b"two\n", b"three\n"]
        late.write("by one who has not noticed\n")
        late.flush()
        assert list(follower.read()) == [b"by one who has not noticed\n"]
    follower.close()
