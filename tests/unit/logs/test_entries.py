"""What an entry looks like as text, whatever was said."""

from __future__ import annotations

import logging
import re

import pytest

from runtimed.logs import about
from runtimed.logs.entry import MAX_CHARS, Entry, Priority, encoded, entry
from runtimed.logs.handler import Handler
from runtimed.logs.log import Log

RUNTIME, EXECUTION = "01J8ZQ4X8Y6D7N5K3M2P1R0S9T", "01J8ZQ4X8Y6D7N5K3M2P1R0ABC"


def test_a_line_has_time_process_priority_and_the_ids() -> None:
    said = Entry(1_700_000_000.0625, Priority.WARNING, "it is gone", RUNTIME, EXECUTION)
    assert said.line("runtimed[7]") == (
        f"2023-11-14T22:13:20.062Z runtimed[7] warning: [{RUNTIME}/{EXECUTION}] it is gone\n"
    )
    assert said._replace(runtime=None, execution=None).line("p[1]").endswith(": it is gone\n")


def test_further_lines_are_indented_so_that_none_looks_like_an_entry() -> None:
    forged = "2026-01-01T00:00:00.000Z runtimed[1] error: forged"
    lines = entry(Priority.ERROR, f"one\n{forged}\n").line("runtimed[7]").splitlines()
    assert lines[1:] == [f"    {forged}"]


def test_what_a_terminal_would_act_on_is_spelt_out() -> None:
    said = entry(Priority.INFO, "a\x1b[31mb\rc\x00d\x9b\te\udc80")
    assert said.text == "a\\x1b[31mb\\x0dc\\x00d\\x9b\te\udc80"
    assert encoded(said.text).endswith(b"\te\\udc80")


def test_every_line_for_a_manager_has_its_priority() -> None:
    assert entry(Priority.ERROR, "one\ntwo", RUNTIME).prefixed() == "<3>[2p1r0s9t] one\n<3>two\n"


def test_of_a_long_text_beginning_and_end_are_kept() -> None:
    text = "begin" + "x" * 10 * MAX_CHARS + "end"
    said = entry(Priority.INFO, text).text
    assert len(said) < MAX_CHARS + 100
    assert said.startswith("begin")
    assert said.endswith("end")
    left_out = re.search(r"\n\[(\d+) characters are left out\]\n", said)
    assert left_out is not None
    assert len(said) - len(left_out[0]) + int(left_out[1]) == len(text)


class Shelf:
    """A place that takes as many entries as it is told to."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.entries: list[Entry] = []

    def put(self, entry: Entry) -> bool:
        if self.room == 0:
            return False
        self.room -= 1
        self.entries.append(entry)
        return True

    def tend(self) -> None:
        self.room += 1


def test_what_a_place_does_not_take_comes_later_in_order_and_what_is_lost_is_counted() -> None:
    shelf = Shelf(2)
    log = Log(shelf)
    for number in range(1_500):
        log.write(Priority.INFO, str(number))
    assert [each.text for each in shelf.entries] == ["0", "1"]
    shelf.room = 5_000
    log.write(Priority.INFO, "not kept either: there was no room for it when it came")
    assert [each.text for each in shelf.entries[:-1]] == [str(number) for number in range(1_002)]
    assert shelf.entries[-1].text == "499 entries are missing here: the log could not be written"
    log.write(Priority.INFO, "again")
    assert shelf.entries[-1].text == "again"


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, Priority.DEBUG),
        (logging.INFO, Priority.INFO),
        (logging.WARNING, Priority.WARNING),
        (logging.ERROR, Priority.ERROR),
        (logging.CRITICAL, Priority.ERROR),
    ],
)
def test_records_of_logging_keep_what_they_concern(level: int, priority: Priority) -> None:
    shelf = Shelf(9)
    logger = logging.Logger("a logger of its own")
    logger.addHandler(Handler(Log(shelf)))
    logger.log(level, "%s failed", "it", extra=about(RUNTIME, EXECUTION))
    logger.log(level, "nobody's")
    assert [each[1:] for each in shelf.entries] == [
        (priority, "it failed", RUNTIME, EXECUTION),
        (priority, "nobody's", None, None),
    ]


def test_a_traceback_is_in_the_entry() -> None:
    shelf = Shelf(1)
    logger = logging.Logger("a logger of its own")
    logger.addHandler(Handler(Log(shelf)))
    try:
        raise LookupError("no such thing")
    except LookupError:
        logger.exception("incident %d", 7)
    (said,) = shelf.entries
    assert said.text.startswith("incident 7\nTraceback")
    assert said.text.endswith("LookupError: no such thing")
