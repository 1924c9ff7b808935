"""One daemon for all tests of a module."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from tests.harness import daemon as harness
from tests.harness.daemon import Daemon, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Runt


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
def runt(state: State, daemon: Daemon) -> Runt:
    """Run ``runt`` beside the module's daemon, which it must not start itself."""
    return functools.partial(harness.runt, state)
