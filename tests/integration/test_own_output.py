"""What a process itself writes: files that it appends to while they are cut and read."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from runtimed.config import load
from runtimed.kernels.own_output import OwnOutput, keep_end, read_end, read_from

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LINES = [f"{number:06d} é {'x' * (number % 90)}\n" for number in range(40_000)]
WHOLE = "".join(LINES).encode()


def test_what_was_cut_is_counted_and_offsets_stay_what_they_were(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(WHOLE)
    assert read_end(str(path), 1_000).end == len(WHOLE)
    for keep_bytes in (1_000_000, 100_000, 99_000):
        keep_end(str(path), keep_bytes)
        mark, _, rest = path.read_bytes().partition(b"\n")
        assert WHOLE.endswith(rest)
        assert keep_bytes - 200 < len(rest) <= keep_bytes
        assert rest.startswith(b"0")  # a line's beginning
        assert mark == b"[runtimed: %d bytes were left out here]" % (len(WHOLE) - len(rest))
        assert read_end(str(path), 1_000).end == len(WHOLE)
    piece = read_from(str(path), len(WHOLE) - 50_000, 50_000)
    assert piece.text.encode() == WHOLE[-50_000:]
    assert piece.end == len(WHOLE)
    # From before what is left: the line that says so, then what is left.
    assert read_from(str(path), 10, 1_000_000).text.encode() == path.read_bytes()
    assert read_from(str(path), 10, 1_000_000).end == len(WHOLE)


def test_a_small_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"one\ntwo\n")
    keep_end(str(path), 1_000)
    assert path.read_bytes() == b"one\ntwo\n"
    assert read_end(str(path), 5).text == "two\n"
    assert read_from(str(path), 4, 100) == ("two\n", 8)
    assert read_from(str(path), 8, 100) == ("", 8)
    assert read_end(str(tmp_path / "none"), 100) == ("", 0)
    assert read_from(str(tmp_path / "none"), 7, 100) == ("", 7)


def test_half_a_character_waits_for_the_other_half(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes("é".encode()[:1])
    first = read_from(str(path), 0, 100)
    assert first == ("", 0)
    path.write_bytes("é\n".encode())
    assert read_from(str(path), first.end, 100) == ("é\n", 3)


def test_an_endless_line_is_cut_too(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"x" * 3_000_000)
    keep_end(str(path), 1_000)
    mark, _, rest = path.read_bytes().partition(b"\n")
    assert rest == b"x" * 1_000
    assert mark == b"[runtimed: 2999000 bytes were left out here]"


async def test_a_storm_is_kept_small_while_it_goes_on_and_a_reader_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtimed.kernels.own_output.SETTLE_S", 0.01)
    limit_bytes, path = 262_144, tmp_path / "01J8ZQ4X8Y6D7N5K3M2P1R0S9T.out"
    environ = {"RUNTIMED_KERNEL_LOG_BYTES": str(limit_bytes), "RUNTIMED_CONFIG": "/dev/null"}
    output = OwnOutput(str(tmp_path), load(environ))
    # As a kernel writes: the whole of it before it ends, however slowly anybody follows.
    script = "import os,sys\nfor n in range(200_000): os.write(1, b'%06d %s\\n' % (n, b'y' * 100))"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    storm = subprocess.Popen([sys.executable, "-c", script], stdout=fd)
    os.close(fd)
    begin, text, sizes = 0, "", []
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(output.run())
        while not text.endswith(f"199999 {'y' * 100}\n"):
            news = output.next_news()
            piece = await asyncio.to_thread(read_from, str(path), begin, 1 << 20)
            begin, text = piece.end, (text + piece.text)[-1_000_000:]
            sizes.append(path.stat().st_size)
            if not piece.text:
                await news.wait()
        assert await asyncio.to_thread(storm.wait) == 0
        while path.stat().st_size > limit_bytes:
            await output.next_news().wait()
        running.cancel()
    assert len(sizes) > 3
    kept = path.read_text()
    assert kept.startswith("[runtimed: ")
    lines = kept.splitlines()[1:]
    assert lines[-1].startswith("199999 ")
    assert {len(line) for line in lines} == {107}  # no line was torn


def test_a_directory_that_goes_away_ends_nothing(tmp_path: Path) -> None:
    async def look() -> None:
        output = OwnOutput(str(tmp_path / "none"), load({"RUNTIMED_CONFIG": "/dev/null"}))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(output.run())
            await asyncio.sleep(0)
            output.tell()
            running.cancel()

    asyncio.run(look())
