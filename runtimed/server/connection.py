"""One client that speaks JSON-RPC lines: requests in, answers and events out."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from runtimed.api.errors import RequestTooLarge, ShuttingDown
from runtimed.server.farewell import Farewell
from runtimed.server.waits import end_now
from runtimed.service.binding import Caller, EventStream
from runtimed.wire import jsonrpc
from runtimed.wire.framing import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.server.hall import Hall

log = logging.getLogger(__name__)

#: A longer line gets its end in a write of its own, rather than being copied to append it.
_COPIED_BYTES = 65_536
#: What is read lands here, from whichever connection: it is taken out before the next read. (The
#: 256 KiB that an `asyncio.Protocol` gets for every read come from mmap(2), and go back at once.)
_ROOM = memoryview(bytearray(65_536))


@dataclass(slots=True)
class _Reply:
    """The line that answers a message, while its members are being worked on."""

    is_batch: bool
    missing: int
    #: By place in the message; notifications have none.
    answers: dict[int, bytes] = field(default_factory=dict)
    #: Subscriptions whose events follow after this line.
    streams: list[EventStream] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class _Slot:
    """The place of one answer in its reply."""

    reply: _Reply
    place: int


class JsonRpcConnection(asyncio.BufferedProtocol):
    """Start requests in the order in which they came, answer each when it is done.

    After the end of its input a peer still gets all answers and events; it has gone when it
    closes wholly, or resets. Then its waiting calls are cancelled, and nothing else.
    """

    repeats_calls = True

    def __init__(self, hall: Hall, uid: int, pid: int | None) -> None:
        self.client = "unknown"
        self.agent: str | None = None
        self._hall = hall
        self._caller = Caller(uid, pid, self)
        self._splitter = LineSplitter(hall.limits.line_bytes)
        self._unended_bytes = 0
        self._pending: deque[tuple[jsonrpc.Request | jsonrpc.Refused, _Slot]] = deque()
        self._in_flight: dict[asyncio.Task[None], tuple[jsonrpc.Request, _Slot]] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._timeouts: set[asyncio.Timeout] = set()
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._writable = asyncio.Event()
        self._writable.set()
        #: Nothing more is taken from the peer; it may still be sending where it has not ended.
        self._input_ended = False
        self._peer_has_ended = False
        self._has_gone = False

    @classmethod
    def take_over(
        cls, transport: asyncio.Transport, hall: Hall, uid: int, pid: int | None, begin: bytes
    ) -> None:
        """Put a connection in the place of the transport's protocol, with what was read."""
        connection = cls(hall, uid, pid)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        connection._received(begin)

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._fd: int = transport.get_extra_info("socket").fileno()
        self._transport.set_write_buffer_limits(high=self._hall.limits.event_bytes)
        self._hall.connections.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _ROOM

    def buffer_updated(self, nbytes: int) -> None:
        self._received(bytes(_ROOM[:nbytes]))

    def _received(self, data: bytes) -> None:
        for line in self._splitter.feed(data):
            self._take(line)
        limits, detail = self._hall.limits, None
        if self._splitter.overflowed:
            detail = f"a line has at most {limits.line_bytes} bytes"
        elif self._hold(self._splitter.buffered_bytes) > limits.unended_bytes:
            self._splitter.drop()
            detail = f"all lines that are on their way have at most {limits.unended_bytes} bytes"
        if detail is not None and not self._input_ended:
            error = RequestTooLarge(detail=detail)
            self._end_input()
            refused = jsonrpc.Refused(error, jsonrpc.NULL_ID)
            self._pending.append((refused, _Slot(_Reply(False, 1), 0)))
        self._start_pending()

    def _hold(self, unended_bytes: int) -> int:
        """Note what is held of a line without its end; return the sum if it grew, else 0."""
        grown = unended_bytes - self._unended_bytes
        self._unended_bytes = unended_bytes
        self._hall.unended_bytes += grown
        return self._hall.unended_bytes if grown > 0 else 0

    def _end_input(self) -> None:
        self._input_ended = True
        self._hold(0)

    def eof_received(self) -> bool:
        self._peer_has_ended = True
        self._end_input()
        self._take(self._splitter.finish())
        self._hall.hangups.watch(self._fd, self._transport.abort)
        self._start_pending()
        return True

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_gone = True
        self._end_input()
        self._hall.leave(self._transport)
        self._hall.hangups.forget(self._fd)
        for task in (*self._waiting, *self._streams.values()):
            task.cancel()
        self._end_timeouts()
        if not self._in_flight:
            self._hall.connections.discard(self)

    # What handlers ask (binding.Connection).

    def follow(self, stream: EventStream) -> None:
        work = self._in_flight.get(_current_task())
        if work is None:
            stream.close()
        else:
            work[1].reply.streams.append(stream)

    def unfollow(self, subscription: str) -> bool:
        task = self._streams.pop(subscription, None)
        return task is not None and task.cancel()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        task = _current_task()
        if self._has_gone or self._hall.is_stopping:
            self._cut(task)
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)

    @contextmanager
    def ending(self, timeout: asyncio.Timeout) -> Iterator[None]:
        if self._has_gone or self._hall.is_stopping:
            end_now(timeout)
        self._timeouts.add(timeout)
        try:
            yield
        finally:
            self._timeouts.discard(timeout)

    def _end_timeouts(self) -> None:
        for timeout in self._timeouts:
            end_now(timeout)

    # What the server asks.

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The requests that are being worked on."""
        return set(self._in_flight)

    def stop(self) -> None:
        """Take no more requests, end waits and subscriptions, close when the rest is answered."""
        self._input_ended = True
        for task in list(self._waiting):
            self._cut(task)
        self._end_timeouts()
        for task in self._streams.values():
            task.cancel()
        self._start_pending()

    def cut(self) -> None:
        """Answer everything in flight with `ShuttingDown`."""
        for task in list(self._in_flight):
            self._cut(task)

    # From a line to tasks.

    def _take(self, line: bytes) -> None:
        message = jsonrpc.decode(line, self._hall.limits.batch)
        if message is not None:
            reply = _Reply(message.is_batch, len(message.members))
            self._pending.extend(
                (member, _Slot(reply, place)) for place, member in enumerate(message.members)
            )

    def _start_pending(self) -> None:
        """Start what there is room for. Reading goes on when nothing is left waiting."""
        while self._pending and len(self._in_flight) < self._hall.limits.in_flight:
            member, slot = self._pending.popleft()
            if isinstance(member, jsonrpc.Refused):
                self._answer(slot, jsonrpc.encode_error(member.id, member.error))
            elif self._hall.is_stopping:
                self._answer(slot, _shutting_down(member))
            else:
                name = f"rpc {member.method[:50]}"
                task = self._hall.tasks.create_task(self._run(member, slot), name=name)
                self._in_flight[task] = (member, slot)
        if self._pending:
            self._transport.pause_reading()
        elif self._input_ended:
            self._close_if_done()
        else:
            self._transport.resume_reading()

    async def _run(self, request: jsonrpc.Request, slot: _Slot) -> None:
        task = _current_task()
        answer = None
        try:
            answer = await self._hall.dispatcher.handle(request, self._caller)
        finally:
            # Cancelled or not, its place is filled: a batch may have subscriptions to close.
            if self._in_flight.pop(task, None) is not None:
                self._answer(slot, answer)
            self._start_pending()

    def _cut(self, task: asyncio.Task[None]) -> None:
        """Cancel a request; who is still there is told that the service stops."""
        self._waiting.discard(task)
        if task in self._in_flight and not self._has_gone:
            request, slot = self._in_flight.pop(task)
            self._answer(slot, _shutting_down(request))
        task.cancel()

    # From answers and events to bytes.

    def _answer(self, slot: _Slot, answer: bytes | None) -> None:
        """Put an answer into its place; write the line when that was the last one missing."""
        reply = slot.reply
        reply.missing -= 1
        if answer is not None:
            reply.answers[slot.place] = answer
        if reply.missing:
            return
        answers = [reply.answers[place] for place in sorted(reply.answers)]
        if answers:
            self._write(jsonrpc.encode_batch(answers) if reply.is_batch else answers[0])
        for stream in reply.streams:
            self._start_stream(stream)

    def _write(self, line: bytes) -> None:
        if self._has_gone or self._transport.is_closing():
            return
        unread_bytes = self._transport.get_write_buffer_size()
        if unread_bytes > self._hall.limits.unread_bytes:
            log.warning("a client does not read its answers, %d bytes wait: closed", unread_bytes)
            self._transport.abort()
            return
        if len(line) < _COPIED_BYTES:
            self._transport.write(line + b"\n")
        else:
            self._transport.write(line)
            self._transport.write(b"\n")

    def _start_stream(self, stream: EventStream) -> None:
        if self._has_gone or self._hall.is_stopping:
            stream.close()
            return
        name = f"subscription {stream.id}"
        task = self._hall.tasks.create_task(self._stream(stream), name=name)
        self._streams[stream.id] = task
        # Not in the task itself: one that is cancelled before its first step never runs.
        task.add_done_callback(lambda _: self._end_stream(stream))

    def _end_stream(self, stream: EventStream) -> None:
        stream.close()
        self._streams.pop(stream.id, None)
        self._close_if_done()

    async def _stream(self, stream: EventStream) -> None:
        """Write events as the peer reads them. Waiting here is what makes the hub's queue fill."""
        try:
            async for events in stream:
                await self._writable.wait()
                lines = [jsonrpc.encode_notification("event", event) for event in events]
                self._write(b"\n".join(lines))
        except Exception:  # the root of a subscription's task
            log.exception("subscription %s failed", stream.id)

    # Ends.

    def _close_if_done(self) -> None:
        if self._in_flight or self._pending or self not in self._hall.connections:
            return
        if self._has_gone:
            self._hall.connections.discard(self)
        elif self._input_ended and not self._streams:
            self._hall.connections.discard(self)
            self._hall.hangups.forget(self._fd)
            Farewell.take_over(
                self._transport, self._hall, b"", peer_has_ended=self._peer_has_ended
            )


def _current_task() -> asyncio.Task[None]:
    """Return the running task: connections and handlers are called within one."""
    return cast("asyncio.Task[None]", asyncio.current_task())


def _shutting_down(request: jsonrpc.Request) -> bytes | None:
    return None if request.id is None else jsonrpc.encode_error(request.id, ShuttingDown())
