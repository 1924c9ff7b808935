"""The journal's writer on a disk that fails, and what is read back."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.keeper import journal as writer
from runtimed.keeper.facts import Facts
from runtimed.keeper.journal import Journal, Pending
from runtimed.wire.journal import Event, Kind, Record, records, segment_name

if TYPE_CHECKING:
    from pathlib import Path


class Disk:
    """`os.writev` and `os.ftruncate` with a fixed number of bytes left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self.cut_fails = False
        self._writev, self._ftruncate = os.writev, os.ftruncate
        monkeypatch.setattr(os, "writev", self.writev)
        monkeypatch.setattr(os, "ftruncate", self.ftruncate)

    def writev(self, fd: int, buffers: list[Any]) -> int:
        if self.left is None:
            return self._writev(fd, buffers)
        if self.left == 0:
            raise OSError(errno.ENOSPC, "full")
        data = b"".join(map(bytes, buffers))[: self.left]
        self.left -= len(data)
        return self._writev(fd, [data])

    def ftruncate(self, fd: int, size: int) -> None:
        if self.cut_fails:
            raise OSError(errno.EIO, "broken")
        self._ftruncate(fd, size)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def open_journal(directory: Path, limit_bytes: int = 2**20) -> Journal:
    head = {"event": Event.SEGMENT, "head": True}
    return Journal(str(directory), Pending(limit_bytes), lambda: head, lambda meta: None)


def put(journal: Journal, number: int, size: int = 10, **more: Any) -> bool:
    return journal.append(Kind.RECV, {"n": number}, [b"x" * size], **more)


def read(directory: Path) -> list[Record]:
    found: list[Record] = []
    for path in sorted(directory.glob("*.journal")):
        content = path.read_bytes()
        part = list(records(content, int(path.stem)))
        assert part, "a segment has at least its head"
        assert part[-1].end - int(path.stem) == len(content), "the file is well-formed to its end"
        found += part
    return found


def numbers(directory: Path) -> list[object]:
    """Return what was put, and for each gap how much is missing there."""
    found: list[object] = []
    for record in read(directory):
        if "n" in record.meta:
            found.append(record.meta["n"])
        elif "dropped" in record.meta:
            found.append({"dropped": record.meta["dropped"]})
    return found


def test_what_a_full_disk_does_not_take_waits_and_is_written_in_order(
    tmp_path: Path, disk: Disk
) -> None:
    journal = open_journal(tmp_path)
    assert put(journal, 1)
    end = journal.end
    disk.left = 0
    assert not put(journal, 2)
    assert not put(journal, 3)
    assert journal.end == end
    assert journal.is_stuck
    disk.left = None
    assert put(journal, 4)
    assert numbers(tmp_path) == [1, 2, 3, 4]
    assert journal.end == read(tmp_path)[-1].end


def test_half_a_record_is_cut_off_again(tmp_path: Path, disk: Disk) -> None:
    journal = open_journal(tmp_path)
    put(journal, 1)
    disk.left = 20
    put(journal, 2, 100)
    assert numbers(tmp_path) == [1]
    disk.left = None
    assert journal.retry()
    assert numbers(tmp_path) == [1, 2]


def test_a_record_written_in_pieces_is_whole(tmp_path: Path, monkeypatch: Any) -> None:
    real = os.writev
    monkeypatch.setattr(
        os, "writev", lambda fd, buffers: real(fd, [b"".join(map(bytes, buffers))[:7]])
    )
    journal = open_journal(tmp_path)
    assert journal.append(Kind.RECV, {"n": 1}, [b"a" * 100, b"", b"b" * 50])
    assert [bytes(f) for f in read(tmp_path)[-1].frames] == [b"a" * 100, b"", b"b" * 50]


def test_what_could_not_be_cut_off_is_cut_off_before_the_next_record(
    tmp_path: Path, disk: Disk
) -> None:
    journal = open_journal(tmp_path)
    put(journal, 1)
    disk.left, disk.cut_fails = 20, True
    put(journal, 2, 100)
    disk.left = None
    assert not journal.retry(), "nothing may follow half a record"
    disk.cut_fails = False
    assert journal.retry()
    assert numbers(tmp_path) == [1, 2]


def test_what_does_not_fit_into_memory_is_counted_where_it_is_missing(
    tmp_path: Path, disk: Disk
) -> None:
    journal = open_journal(tmp_path, limit_bytes=300)
    put(journal, 1)
    disk.left = 0
    put(journal, 2, 100)
    for number in (3, 4):
        put(journal, number, 1000)
    put(journal, 5)  # it would fit, but after what is missing it must not hide the hole
    journal.append(Kind.EVENT, {"event": "exited", "n": "exited"})
    put(journal, 6, 1000)
    disk.left = None
    assert journal.retry()
    assert numbers(tmp_path) == [1, 2, {"dropped": 3}, "exited", {"dropped": 1}]


def test_memory_is_counted_over_all_journals_and_given_back(tmp_path: Path, disk: Disk) -> None:
    pending = Pending(1000)
    first, second = (
        Journal(str(tmp_path / name), pending, lambda: {"event": "segment"}, lambda meta: None)
        for name in "ab"
    )
    disk.left = 0
    put(first, 1, 700)
    put(second, 2, 700)
    disk.left = None
    assert first.retry()
    assert second.retry()
    assert pending.used_bytes == 0
    assert [r.meta.get("n") for r in read(tmp_path / "a")] == [None, 1]
    assert [r.meta.get("dropped") for r in read(tmp_path / "b")] == [None, 1]


def test_a_record_that_may_be_refused_leaves_nothing_behind(tmp_path: Path, disk: Disk) -> None:
    journal = open_journal(tmp_path)
    put(journal, 1)
    disk.left = 5
    assert not put(journal, 2, or_refuse=True)
    disk.left = None
    assert not journal.is_stuck
    assert put(journal, 3, or_refuse=True)
    assert numbers(tmp_path) == [1, 3]


def test_a_segment_that_cannot_be_begun_is_not_begun(tmp_path: Path, disk: Disk) -> None:
    journal = open_journal(tmp_path)
    put(journal, 1)
    disk.left = 3
    assert not journal.rotate()
    disk.left = None
    put(journal, 2)
    assert [path.name for path in tmp_path.iterdir()] == [segment_name(0)]
    assert journal.rotate()
    put(journal, 3)
    assert numbers(tmp_path) == [1, 2, 3]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_journal_rotates_by_itself_and_offsets_run_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SEGMENT_BYTES", 500)
    journal = open_journal(tmp_path)
    for number in range(30):
        assert put(journal, number, 50)
    found = read(tmp_path)
    assert [r.meta["n"] for r in found if "n" in r.meta] == list(range(30))
    assert all(a.end == b.offset for a, b in itertools.pairwise(found))
    assert len(list(tmp_path.iterdir())) > 3
    assert journal.end == found[-1].end


def test_a_record_too_large_to_write_is_a_gap(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    assert journal.append(Kind.RECV, {}, [b""] * 70000)
    assert read(tmp_path)[-1].meta == {"event": "gap", "reason": "unrecordable", "dropped": 1}


@pytest.mark.parametrize("torn", [b"\x50\0\0\0abc", b"\0" * 50, b"\xff" * 9])
def test_a_torn_tail_is_cut_and_the_journal_goes_on(tmp_path: Path, torn: bytes) -> None:
    journal = open_journal(tmp_path)
    put(journal, 1)
    journal.close()
    path = tmp_path / segment_name(0)
    path.write_bytes(path.read_bytes() + torn)
    again = open_journal(tmp_path)
    seen: list[Any] = []
    tail = again.recover(lambda record: seen.append(record.meta.get("n")))
    assert (seen, tail.torn_bytes, tail.exists) == ([None, 1], len(torn), True)
    put(again, 2)
    assert numbers(tmp_path) == [1, 2]


@pytest.mark.parametrize("content", [b"", b"\x50\0\0\0"])
def test_a_segment_that_was_just_begun_gives_way_to_the_one_before(
    tmp_path: Path, content: bytes
) -> None:
    journal = open_journal(tmp_path)
    put(journal, 1)
    (tmp_path / segment_name(journal.end)).write_bytes(content)
    journal.close()
    again = open_journal(tmp_path)
    assert again.recover(lambda record: None).torn_bytes == len(content)
    assert put(again, 2)
    assert numbers(tmp_path) == [1, 2]


def test_an_empty_journal_recovers_to_nothing(tmp_path: Path) -> None:
    assert not open_journal(tmp_path / "none").recover(lambda record: None).exists


def test_a_segment_is_for_our_eyes_only(tmp_path: Path) -> None:
    put(open_journal(tmp_path / "j"), 1)
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "j" / segment_name(0)).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("is_open", [True, False])
def test_a_directory_that_was_removed_comes_back_with_the_next_segment(
    tmp_path: Path, is_open: bool
) -> None:
    journal = open_journal(tmp_path / "journal" / "j")
    put(journal, 1)
    end = journal.end
    if not is_open:
        journal.close()
    shutil.rmtree(tmp_path / "journal")
    umask = os.umask(0o022)
    try:
        assert put(journal, 2) if not is_open else journal.rotate()
    finally:
        os.umask(umask)
    assert put(journal, 3)
    assert [path.name for path in (tmp_path / "journal" / "j").iterdir()] == [segment_name(end)]
    assert numbers(tmp_path / "journal" / "j") == ([3] if is_open else [2, 3])
    for directory in (tmp_path / "journal", tmp_path / "journal" / "j"):
        assert directory.stat().st_mode & 0o777 == 0o700


def test_whatever_was_sent_is_known_from_the_last_segment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SEGMENT_BYTES", 400)
    facts = Facts()
    journal = Journal(
        str(tmp_path), Pending(), facts.segment, lambda head: facts.apply(Kind.EVENT, head, ())
    )
    for number in range(40):
        meta = {"c": "shell", "i": 1, "id": f"x.{number}"}
        assert journal.append(Kind.SENT, meta, [b"frame"], or_refuse=True)
        facts.apply(Kind.SENT, meta, ())
        recovered = Facts()
        other = Journal(str(tmp_path), Pending(), recovered.segment, lambda head: None)
        other.recover(lambda r, to=recovered: to.apply(r.kind, r.meta, r.frames))  # type: ignore[misc]
        assert all(recovered.was_sent(f"x.{n}") for n in range(number + 1))
    assert len(list(tmp_path.iterdir())) > 5
