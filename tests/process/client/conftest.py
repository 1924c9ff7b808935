"""One daemon and one ipykernel for the tests of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.client import connect
from tests.harness.daemon import Daemon, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.client import Client, Runtime


@pytest.fixture(scope="module")
def state() -> Iterator[State]:
    state = State.create()
    try:
        yield state
    finally:
        state.dispose()


@pytest.fixture(scope="module")
def daemon(state: State) -> Iterator[Daemon]:
    daemon = Daemon(state).start()
    try:
        yield daemon
    finally:
        daemon.dispose()


@pytest.fixture(scope="module")
def client(daemon: Daemon) -> Iterator[Client]:
    with connect(str(daemon.state.socket), start=False, client="tests") as client:
        yield client


@pytest.fixture(scope="module")
def runtime(client: Client, state: State) -> Runtime:
    return client.start("python3", env=state.env, cwd=str(state.project), name="shared")
