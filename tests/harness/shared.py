"""Fixtures for a module whose tests share a daemon: those that end neither.

Taken by name: ``state, daemon = shared.state, shared.daemon``.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from tests.harness import daemon as harness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Runt


@pytest.fixture(scope="module")
def state() -> Iterator[harness.State]:
    state = harness.State.create()
    try:
        yield state
    finally:
        state.dispose()


@pytest.fixture(scope="module")
def daemon(state: harness.State) -> Iterator[harness.Daemon]:
    daemon = harness.Daemon(state).start()
    try:
        yield daemon
    finally:
        daemon.dispose()


@pytest.fixture(scope="module")
def runt(state: harness.State, daemon: harness.Daemon) -> Runt:
    """Run ``runt`` beside the module's daemon, which it must not start itself."""
    return functools.partial(harness.runt, state)
