"""One daemon for the tests of a module, and a person's runtime in it where they ask for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.daemon import Daemon, State

if TYPE_CHECKING:
    from collections.abc import Iterator


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
def shared(daemon: Daemon) -> str:
    """Return the name of a runtime that a person has started and shared."""
    runtime = daemon.call("runtime.start", name="shared-one")
    daemon.call("runtime.share", runtime=runtime["id"])
    return "shared-one"
