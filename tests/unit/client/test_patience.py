"""How long a daemon that has gone is waited for."""

from __future__ import annotations

import pytest

from runtimed.api.errors import DaemonUnreachable
from runtimed.client import patience
from runtimed.client.connecting import unreachable
from runtimed.client.patience import GivenUp, Patience

GONE = unreachable("/s", "it hung up")


class Clock:
    """The time that `Patience` sees."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patience, "monotonic", clock)
    return clock


def test_a_connection_that_stood_begins_it_anew(clock: Clock) -> None:
    waiting = Patience(30)
    for _ in range(3):  # three restarts, a minute apart
        assert waiting.pause_s(GONE) == 0.0
        waiting.answered()
        clock.now_s += 60


def test_one_that_hangs_up_at_once_does_not(clock: Clock) -> None:
    waiting = Patience(30)
    with pytest.raises(DaemonUnreachable):
        for _ in range(1000):
            clock.now_s += 0.01 + waiting.pause_s(GONE)
            waiting.answered()
    assert 130 <= clock.now_s < 132


def test_a_loss_that_lasts_is_counted_from_its_beginning(clock: Clock) -> None:
    waiting = Patience(30)
    waiting.answered()
    clock.now_s += 60
    assert waiting.pause_s(GONE) == 0.0
    clock.now_s += 31
    with pytest.raises(DaemonUnreachable):
        waiting.pause_s(GONE)


def test_it_can_be_given_up() -> None:
    waiting = Patience(30)
    waiting.end()
    with pytest.raises(GivenUp):
        waiting.pause_s(GONE)
