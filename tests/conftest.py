"""Fixtures for all tests. What they are made of is in tests/harness."""

from __future__ import annotations

import functools
import signal
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import HealthCheck, settings

from tests.harness import daemon as harness

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

pytest_plugins = [
    "tests.harness.skips",
    "tests.harness.foreign",
    "tests.harness.jupyter_server",
    "tests.harness.systemd",
    "tests.harness.weaker",
]

# No test is about how long something takes.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

# A job in a shell's background, or nohup's, begins with some of these ignored, and so would all
# that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)


class Runt(Protocol):
    """Runs ``runt`` in a state of the test's own; see `tests.harness.daemon.runt`."""

    def __call__(
        self,
        *args: str,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout_s: float = 60.0,
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def state() -> Iterator[harness.State]:
    """An isolated user, without a daemon. Whatever was started in it is ended."""
    state = harness.State.create()
    try:
        yield state
    finally:
        state.dispose()


@pytest.fixture
def daemon(state: harness.State) -> Iterator[harness.Daemon]:
    """A real daemon, running. It must stop cleanly, unless the test has stopped or killed it."""
    daemon = harness.Daemon(state).start()
    try:
        yield daemon
    finally:
        daemon.dispose()


@pytest.fixture
def runt(state: harness.State) -> Runt:
    """``runt("eval", "1+1")`` → CompletedProcess. It starts the daemon where a user's would."""
    return functools.partial(harness.runt, state)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of daemon and keeper with a failure."""
    report = yield
    state = getattr(item, "funcargs", {}).get("state")
    if report.failed and isinstance(state, harness.State) and (logs := state.logs()):
        report.sections.append(("runtimed logs", logs))
    return report
