"""A pytest plugin: a skipped test fails the run, unless tests/allowed_skips.txt gives the reason.

Each line there is ``nodeid: reason``; the reason must be one that only another machine could
remove. A node id without its parameters covers them all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_LIST = Path(__file__).parents[1] / "allowed_skips.txt"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--allowed-skips", type=Path, default=_LIST, help="file of allowed skips")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipGate(config.getoption("allowed_skips")), "skip-gate")


def read_allowed(path: Path) -> dict[str, str]:
    """Return node ids with their reasons. Raises `ValueError` for a line without a reason."""
    allowed = {}
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        nodeid, separator, reason = line.partition(": ")
        if not separator or not reason.strip():
            raise ValueError(f"{path}: no reason is given in {line!r}")
        allowed[nodeid] = reason.strip()
    return allowed


class SkipGate:
    """Collects what was skipped, and turns what is not allowed into a failure."""

    def __init__(self, path: Path) -> None:
        self.allowed = read_allowed(path)
        self.refused: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._judge(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._judge(report.nodeid)

    def _judge(self, nodeid: str) -> None:
        if self.allowed.keys().isdisjoint((nodeid, nodeid.partition("[")[0])):
            self.refused.append(nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.refused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        for nodeid in self.refused:
            terminalreporter.write_line(f"SKIPPED without leave: {nodeid}", red=True)
