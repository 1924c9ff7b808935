"""Notice that a peer has closed wholly, after it had closed its sending half.

From the end of its input on, a connection is no longer read, and reading could not tell "I have
sent everything" from "I have gone": both are an end of file. The operating system can.
"""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class HangupWatch:
    """Call back once for each watched descriptor whose peer has gone. Owned by one server."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._poll = _Poll()
        loop.add_reader(self._poll.fileno(), self._on_hangup)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Watch a descriptor until its callback was called or `forget`, before it is closed."""
        if fd not in self._callbacks:
            self._poll.add(fd)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        if self._callbacks.pop(fd, None) is not None:
            self._poll.remove(fd)

    def close(self) -> None:
        self._callbacks.clear()
        self._loop.remove_reader(self._poll.fileno())
        self._poll.close()

    def _on_hangup(self) -> None:
        for fd in self._poll.hung_up():
            callback = self._callbacks.get(fd)
            self.forget(fd)
            if callback is not None:
                callback()


if sys.platform == "linux":

    class _Poll:
        """epoll(7) with no event asked for: EPOLLHUP is reported always, and only that."""

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self.fileno = self._epoll.fileno
            self.close = self._epoll.close

        def add(self, fd: int) -> None:
            self._epoll.register(fd, 0)

        def remove(self, fd: int) -> None:
            self._epoll.unregister(fd)

        def hung_up(self) -> list[int]:
            return [fd for fd, _ in self._epoll.poll(0)]

else:

    class _Poll:
        """kqueue(2): EV_EOF on the write filter says that nobody reads any more."""

        def __init__(self) -> None:
            self._kqueue = select.kqueue()
            self.fileno = self._kqueue.fileno
            self.close = self._kqueue.close

        def add(self, fd: int) -> None:
            self._change(fd, select.KQ_EV_ADD | select.KQ_EV_CLEAR)

        def remove(self, fd: int) -> None:
            self._change(fd, select.KQ_EV_DELETE)

        def hung_up(self) -> list[int]:
            events = self._kqueue.control(None, 1024, 0)
            return [event.ident for event in events if event.flags & select.KQ_EV_EOF]

        def _change(self, fd: int, flags: int) -> None:
            change = select.kevent(fd, select.KQ_FILTER_WRITE, flags)
            self._kqueue.control([change], 0, 0)
