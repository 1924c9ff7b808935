"""Whether a keeper hangs, asked where many wait to be heard."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from runtimed.managers import keepers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtimed.paths import State


@pytest.fixture
def crowded(state: State) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A keeper's socket, and somebody who waits there, so that there is no room for another."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(state.keeper_socket)
        listener.listen(0)
        waiting.connect(state.keeper_socket)
        yield listener, waiting


@pytest.fixture
def state(tmp_path: Path) -> State:
    from runtimed.paths import State

    return State(str(tmp_path))


def test_a_keeper_that_has_no_time_yet_does_not_hang(
    state: State, crowded: tuple[socket.socket, socket.socket]
) -> None:
    listener, _ = crowded
    begun = threading.Event()

    def attend() -> None:
        begun.wait()
        for _ in range(2):
            listener.accept()[0].close()

    keeper = threading.Thread(target=attend)
    keeper.start()
    timer = threading.Timer(0.3, begun.set)
    timer.start()
    assert keepers.hangs(state, 20) is False
    keeper.join()


@pytest.mark.usefixtures("crowded")
def test_one_that_never_has_time_hangs(state: State) -> None:
    assert keepers.hangs(state, 0.2) is True
