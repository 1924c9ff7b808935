"""One daemon and one ipykernel for the tests of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.client import connect
from tests.harness import shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.client import Client, Runtime
    from tests.harness.daemon import Daemon, State


state, daemon = shared.state, shared.daemon


@pytest.fixture(scope="module")
def client(daemon: Daemon) -> Iterator[Client]:
    with connect(str(daemon.state.socket), start=False, client="tests") as client:
        yield client


@pytest.fixture(scope="module")
def runtime(client: Client, state: State) -> Runtime:
    return client.start("python3", env=state.env, cwd=str(state.project), name="shared")
