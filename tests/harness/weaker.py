"""A pytest plugin: a test that could not see all that it is for, on this machine, says so.

Such a test checks what is promised for machines like this one; it is not skipped, and the line at
the end of the run names what another machine would show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.terminal import TerminalReporter

_PROPERTY = "not_seen_here"


@pytest.fixture
def not_seen_here(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Call it with what this machine cannot show."""
    return lambda what: record_property(_PROPERTY, what)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, what in report.user_properties:
            if name == _PROPERTY and report.when == "call":
                terminalreporter.write_line(f"NOT SEEN HERE {report.nodeid}: {what}", yellow=True)
