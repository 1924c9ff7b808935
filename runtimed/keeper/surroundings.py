"""What all runtimes of a keeper share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import zmq

    from runtimed.keeper.journal import Pending
    from runtimed.keeper.loop import Loop
    from runtimed.keeper.oom import OomKills
    from runtimed.keeper.room import Room


class Ring(Protocol):
    """Tell the daemon, when it can be told, that this runtime's journal reaches so far."""

    def __call__(self, runtime: str, end: int, *, is_urgent: bool = True) -> None: ...


@dataclass(slots=True)
class Surroundings:
    """The rest of the keeper, as a runtime sees it."""

    loop: Loop
    context: zmq.Context[zmq.Socket[bytes]]
    pending: Pending
    room: Room
    oom: OomKills
    ring: Ring
    stuck: Callable[[], None]
    """Have the journals that cannot be written tried again."""
    changed: Callable[[], None]
    """Something lives, or lives no more."""
