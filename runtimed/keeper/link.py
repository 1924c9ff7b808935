"""The keeper's side of the link: one daemon at a time, and never waiting for it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from runtimed.host import Step, passing
from runtimed.keeper.log import log, warn
from runtimed.keeper.loop import READABLE, WRITABLE
from runtimed.keeper.request import Refused, Request
from runtimed.wire import link as codec
from runtimed.wire.link import Op, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.keeper.loop import Loop, Timer

#: More than this comes from mmap(2) and goes back at once: each read would take ten times as long.
_READ_BYTES = 2**16
_HELLO_BYTES = 2**16
_ACCEPT_AGAIN_S = 1.0
#: How long the bell for what is said in the middle of a kernel's work waits for more to come: each
#: ring wakes the daemon for a commit, on a processor that the kernel may want.
_BELL_PATIENCE_S = 0.002
# sys/un.h and sys/ucred.h of macOS, which the socket module does not name.
_DARWIN_SOL_LOCAL, _DARWIN_LOCAL_PEERCRED = 0, 1


def listen(path: str) -> socket.socket:
    """Return a listening socket that only we can connect to; an old socket file is replaced."""
    if os.path.lexists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(umask)
    listener.listen(16)
    listener.setblocking(False)
    return listener


def peer_uid(connection: socket.socket) -> int:
    """Return the user at the other end of a Unix socket."""
    if sys.platform == "darwin":
        credentials = connection.getsockopt(_DARWIN_SOL_LOCAL, _DARWIN_LOCAL_PEERCRED, 8)
        return int(struct.unpack("=II", credentials)[1])
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("=iII", credentials)[1])


class Connection:
    """One connected daemon: current, not yet greeted, or gone."""

    def __init__(self, link: Link, stream: socket.socket) -> None:
        self.is_open = True
        self._is_blocked = False
        self._link = link
        self._stream = stream
        self._decoder = codec.Decoder(_HELLO_BYTES)
        self._out: deque[memoryview] = deque()

    def readable(self) -> None:
        """Handle what has arrived; what is left of it when another takes over is discarded."""
        try:
            data = self._stream.recv(_READ_BYTES)
            frames = self._decoder.feed(data) if data else []
        except BlockingIOError:
            return
        except (OSError, codec.MalformedFrame) as error:
            log(f"link: {error}")
            self.close()
            return
        if not data:
            self.close()
        for header, payloads in frames:
            if not self.is_open:
                return
            self._link.handle(self, header, payloads)

    @property
    def is_writable(self) -> bool:
        """Whether nothing waits to be written."""
        return self.is_open and not self._out

    def send(self, header: dict[str, Any]) -> None:
        """Write a frame as far as it goes now; the rest goes when the daemon reads."""
        if self.is_open:
            self._out.append(memoryview(codec.encode(header)))
            self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                sent = self._stream.send(self._out[0])
                if sent < len(self._out[0]):
                    self._out[0] = self._out[0][sent:]
                else:
                    self._out.popleft()
        except BlockingIOError:
            if not self._is_blocked:
                self._is_blocked = True
                self._link.loop.watch(self._stream.fileno(), self._ready, READABLE | WRITABLE)
            return
        except OSError as error:
            log(f"link: {error}")
            self.close()
            return
        if self._is_blocked:
            self._is_blocked = False
            self._link.loop.watch(self._stream.fileno(), self.readable)

    def _ready(self) -> None:
        self._flush()
        if self.is_open:
            self.readable()

    def detach(self) -> socket.socket:
        """Give the connection away: it is another keeper's."""
        self.is_open = False
        self._link.loop.unwatch(self._stream.fileno())
        return self._stream

    def close(self) -> None:
        """Hang up, with whatever it has sent and we have not read."""
        if self.is_open:
            self.is_open = False
            self._link.loop.unwatch(self._stream.fileno())
            self._stream.close()
            self._link.closed(self)


class Link:
    """Accept daemons, let only the latest speak, hand its requests on, ring the doorbell."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        hello: Callable[[], dict[str, Any]],
        perform: Callable[[Request], None],
        changed: Callable[[], None],
        succeed: Callable[[socket.socket, dict[str, Any]], None] = lambda stream, header: (
            stream.close()
        ),
    ) -> None:
        self.loop = loop
        self._listener = listener
        self._hello = hello
        self._perform = perform
        self._changed = changed
        self._succeed = succeed
        self._current: Connection | None = None
        self._epoch = 0
        self._bells: dict[str, int] = {}
        self._patience: Timer | None = None
        self._listen()
        loop.before_wait(self._ring)

    @property
    def has_daemon(self) -> bool:
        return self._current is not None

    @property
    def listener(self) -> socket.socket:
        return self._listener

    def _listen(self) -> None:
        self.loop.watch(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            stream, _ = self._listener.accept()
        except BlockingIOError:  # it hung up again
            return
        except OSError as error:  # no descriptor left: not again on the next turn
            warn(f"link: accept: {error}")
            self.loop.unwatch(self._listener.fileno())
            self.loop.later(_ACCEPT_AGAIN_S, self._listen)
            return
        uid = peer_uid(stream)
        if uid != os.getuid():
            warn(f"link: refused uid {uid}")
            stream.close()
            return
        stream.setblocking(False)
        self.loop.watch(stream.fileno(), Connection(self, stream).readable)

    def handle(self, connection: Connection, header: dict[str, Any], payloads: list[bytes]) -> None:
        """Answer a frame: a hello makes its sender current, anything else is for the current."""
        number = header.get("n")

        def reply(body: dict[str, Any]) -> None:
            connection.send({"re": number, **body})

        if header.get("op") == Op.HELLO:
            self._greet(connection, header)
            reply({"epoch": self._epoch, "version": codec.VERSION, **self._hello()})
            return
        if header.get("op") == Op.SUCCEED:
            self._succeed(connection.detach(), header)
            return
        if connection is not self._current:
            reply({"error": Refusal.NO_HELLO, "message": "say hello first"})
            connection.close()
            return
        request = Request(header, payloads, reply, lambda: connection.is_open)
        if not self.loop.guard(lambda: self._answer(request)):
            reply({"error": Refusal.DEFECT, "message": "the keeper's log says more"})
        if header.get("op") == Op.SEND:
            passing(Step.DISPATCH_ANSWERED)

    def _answer(self, request: Request) -> None:
        try:
            self._perform(request)
        except Refused as refused:
            request.reply({"error": refused.code, "message": str(refused)})

    def _greet(self, connection: Connection, header: dict[str, Any]) -> None:
        """Fence the daemon before: what it sent and we have not read is never read."""
        before, self._current = self._current, connection
        if before is not None and before is not connection:
            log("link: a new daemon takes over")
            before.close()
        self._epoch += 1
        self._bells = {}
        self._lose_patience()
        log(f"link: daemon pid {header.get('pid')}, epoch {self._epoch}")
        self._changed()

    def closed(self, connection: Connection) -> None:
        """Take note that a connection has gone."""
        if connection is self._current:
            self._current = None
            log("link: the daemon has gone")
            self._changed()

    def ring(self, runtime: str, end: int, *, is_urgent: bool = True) -> None:
        """Note how far a journal reaches; only the latest offset of each is told."""
        if self._current is None:
            return
        if is_urgent:
            self._lose_patience()
        elif not self._bells:
            self._patience = self.loop.later(_BELL_PATIENCE_S, self._lose_patience)
        self._bells[runtime] = end

    def _lose_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _ring(self) -> None:
        if self._patience is not None or not self._bells or self._current is None:
            return
        if self._current.is_writable:
            bells, self._bells = self._bells, {}
            self._current.send({"bell": bells})
            passing(Step.DOORBELL_RUNG)

    def close(self) -> None:
        """Stop listening and hang up."""
        self.loop.unwatch(self._listener.fileno())
        self._listener.close()
        if self._current is not None:
            self._current.close()
