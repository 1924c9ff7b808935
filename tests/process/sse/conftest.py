"""One daemon, whose streams show soon that they live, and one ipykernel for all tests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.daemon import Daemon, State
from tests.process.daemon.executions.conftest import repl, state

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["repl", "state"]


@pytest.fixture(scope="module")
def daemon(state: State) -> Iterator[Daemon]:
    env = {"RUNTIMED_EVENT_HEARTBEAT_S": "0.2", "RUNTIMED_SUBSCRIBER_EVENTS": "20"}
    daemon = Daemon(state, env).start()
    try:
        yield daemon
    finally:
        daemon.dispose()
