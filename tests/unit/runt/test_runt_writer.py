from __future__ import annotations

import os
import select
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from runt.writer import StdoutLost, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def piped_stdout() -> Iterator[int]:
    """Put a pipe in the place of stdout; yield its reading end.

    No fixture: pytest's own capture changes stdout between the phases of a test.
    """
    before = os.dup(1)
    read, write = os.pipe()
    os.dup2(write, 1)
    os.close(write)
    try:
        yield read
    finally:
        os.dup2(before, 1)
        os.close(before)
        try:
            os.close(read)
        except OSError:
            pass  # the test has closed it


def test_lines_begin_on_a_line_of_their_own() -> None:
    with piped_stdout() as stdout:
        writer = Writer()
        writer.put(1, "printed")
        writer.put_line(1, "2\n")
        writer.put_line(1, "3\n")
        writer.put(1, "")
        writer.put_line(1, "4\n")
        writer.flush()
        assert os.read(stdout, 100) == b"printed\n2\n3\n4\n"


def test_what_no_encoding_has_becomes_a_question_mark() -> None:
    with piped_stdout() as stdout:
        writer = Writer()
        writer.put(1, "a\ud800é")
        writer.flush()
        assert os.read(stdout, 100) == "a?é".encode()


def test_a_piece_never_blocks_when_poll_says_that_it_will_not() -> None:
    """A full pipe that has room for one more piece takes it whole, or not at all."""
    with piped_stdout() as stdout:
        writer = Writer()
        writer.put(1, "x" * 1_000_000)
        poll = select.poll()
        poll.register(1, select.POLLOUT)
        while poll.poll(0):
            writer.pump()
        assert 0 < writer.pending_bytes < 1_000_000
        left = writer.pending_bytes
        os.read(stdout, 65536)
        assert poll.poll(0)
        writer.pump()
        assert writer.pending_bytes < left


def test_a_reader_that_is_gone_is_an_exception_and_its_text_is_dropped() -> None:
    with piped_stdout() as stdout:
        writer = Writer()
        writer.put(1, "a")
        writer.put(2, "")
        os.close(stdout)
        with pytest.raises(StdoutLost):
            writer.pump()
        assert writer.waiting_for is None
        assert writer.pending_bytes == 0
