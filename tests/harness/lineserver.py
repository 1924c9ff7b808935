"""A real server on a real Unix socket, over small handlers, and a raw client for it."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, get_args

from runtimed.api.call import Call, Effect
from runtimed.api.daemon import DaemonHello, Hello
from runtimed.api.errors import RuntimeNotFound
from runtimed.api.events import Event, EventsSubscribe, EventsUnsubscribe
from runtimed.api.types import Nothing, Subscription
from runtimed.server.dispatch import Dispatcher
from runtimed.server.unix import UnixServer
from runtimed.service.binding import Caller, Handlers
from runtimed.service.hello import greet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from runtimed.server.hall import Limits

PATIENCE_S = 30.0


def declare(method: str, cls: type[Call[Any]], *rest: str) -> None:
    """Name a call class without putting it into the registry of the real API."""
    (base,) = cls.__orig_bases__  # type: ignore[attr-defined]
    cls.method, cls.effect, cls.errors, cls.rest = method, Effect.READ, (), rest
    (cls.result,) = get_args(base)


class Echo(Call[Any], frozen=True, kw_only=True):
    """Return the value."""

    value: Any = None
    times: int = 1


class Wait(Call[str], frozen=True, kw_only=True):
    """Wait for a gate; cancelled when nobody waits for the answer."""

    gate: str


class Work(Call[str], frozen=True, kw_only=True):
    """Work until a gate opens, whoever still waits for it."""

    gate: str


class Open(Call[int], frozen=True, kw_only=True):
    """Open a gate."""

    gate: str


class Fail(Call[Nothing], frozen=True, kw_only=True):
    """Raise."""

    secret: str = ""
    known: bool = False


class Who(Call[dict[str, Any]], frozen=True, kw_only=True):
    """Return who calls."""


_STUBS: dict[str, tuple[type[Call[Any]], str]] = {
    "echo": (Echo, "POST /v0/echo"),
    "wait": (Wait, "GET /v0/wait/{gate}"),
    "work": (Work, "POST /v0/work/{gate}"),
    "open": (Open, "POST /v0/open/{gate}"),
    "fail": (Fail, "GET /v0/fail"),
    "who": (Who, "GET /v0/who"),
}
for _name, (_cls, _place) in _STUBS.items():
    declare(_name, _cls, _place)


class Stream:
    """Events from a queue that ends as lagged when it is full, as the hub's does."""

    def __init__(self, stream_id: str, size: int, closed: queue.Queue[str]) -> None:
        self.id = stream_id
        self._closed = closed
        self.is_closed = False
        self._seq = 0
        self._size = size
        self._events: list[Event] = []
        self._lagged = False
        self._nudged = False
        self._wake = asyncio.Event()

    def emit(self, text: str) -> None:
        self._seq += 1
        if not self._lagged:
            self._events.append(self._event("output", {"text": text}))
        if len(self._events) > self._size:
            self._lagged = True
            self._events.clear()
        self._wake.set()

    def _event(self, kind: Any, data: dict[str, Any]) -> Event:
        return Event(
            subscription=self.id,
            seq=self._seq,
            cursor=f"e.{self._seq}",
            at="",
            type=kind,
            runtime=None,
            execution=None,
            data=data,
        )

    async def __aiter__(self) -> AsyncIterator[list[bytes | Event]]:
        while not self.is_closed:
            if self._lagged:
                yield [self._event("lagged", {})]
                return
            batch, self._events = self._events, []
            if batch or self._nudged:
                self._nudged = self._nudged and bool(batch)
                yield list(batch)
            else:
                self._wake.clear()
                await self._wake.wait()

    def nudge(self) -> None:
        self._nudged = True
        self._wake.set()

    def close(self) -> None:
        self.is_closed = True
        self._wake.set()
        self._closed.put(self.id)


class Service:
    """The handlers' state, and what they saw, for the test's thread."""

    def __init__(self, queue_size: int = 100) -> None:
        self.seen: queue.Queue[tuple[str, str]] = queue.Queue()
        self.closed: queue.Queue[str] = queue.Queue()
        self.streams: dict[str, Stream] = {}
        self.queue_size = queue_size
        self._gates: dict[str, asyncio.Event] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.stop: asyncio.Event | None = None
        self.grace_s = 5.0

    def gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    def run_soon(self, function: Any, *args: Any) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(function, *args)

    def expect(self, *event: str) -> None:
        """Wait for the next thing that a handler saw."""
        assert self.seen.get(timeout=PATIENCE_S) == event

    def closings(self, count: int) -> None:
        """Wait until so many streams were opened and closed."""
        for _ in range(count):
            self.closed.get(timeout=PATIENCE_S)

    def stop_soon(self) -> None:
        assert self.stop is not None
        self.run_soon(self.stop.set)


HANDLERS = Handlers()


@HANDLERS.serves(Echo)
async def echo(ctx: Service, call: Echo) -> Any:
    return call.value if call.times == 1 else call.value * call.times


@HANDLERS.serves(Wait)
async def wait(ctx: Service, call: Wait, caller: Caller) -> str:
    ctx.seen.put(("waiting", call.gate))
    try:
        with caller.waiting():
            await ctx.gate(call.gate).wait()
    except asyncio.CancelledError:
        ctx.seen.put(("cancelled", call.gate))
        raise
    return call.gate


@HANDLERS.serves(Work)
async def work(ctx: Service, call: Work) -> str:
    ctx.seen.put(("working", call.gate))
    try:
        await ctx.gate(call.gate).wait()
    except asyncio.CancelledError:
        ctx.seen.put(("cancelled", call.gate))
        raise
    ctx.seen.put(("done", call.gate))
    return call.gate


@HANDLERS.serves(Open)
async def open_gate(ctx: Service, call: Open) -> int:
    ctx.gate(call.gate).set()
    return 1


@HANDLERS.serves(Fail)
async def fail(ctx: Service, call: Fail) -> Nothing:
    if call.known:
        raise RuntimeNotFound(runtime="r1")
    raise ZeroDivisionError("the handler's own words")


@HANDLERS.serves(Who)
async def who(ctx: Service, call: Who, caller: Caller) -> dict[str, Any]:
    return {"uid": caller.uid, "pid": caller.pid, "client": caller.client}


@HANDLERS.serves(DaemonHello)
async def hello(ctx: Service, call: DaemonHello, caller: Caller) -> Hello:
    return greet(call, caller, "/nowhere")


@HANDLERS.serves(EventsSubscribe)
async def subscribe(ctx: Service, call: EventsSubscribe, caller: Caller) -> Subscription:
    stream = Stream(f"s{len(ctx.streams) + 1}", ctx.queue_size, ctx.closed)
    ctx.streams[stream.id] = stream
    stream.emit("already there")
    caller.connection.follow(stream)
    return Subscription(subscription=stream.id, cursor="e.0")


@HANDLERS.serves(EventsUnsubscribe)
async def unsubscribe(ctx: Service, call: EventsUnsubscribe, caller: Caller) -> Nothing:
    assert caller.connection.unfollow(call.subscription)
    return Nothing()


@contextmanager
def serving(
    path: Path, service: Service, limits: Limits | None = None, handlers: Handlers = HANDLERS
) -> Iterator[Service]:
    """Serve in a thread with a loop of its own; anything that the loop complains of fails."""
    ready: queue.Queue[BaseException | None] = queue.Queue()
    complaints: list[dict[str, Any]] = []

    async def serve() -> None:
        loop = service.loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        service.stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            server = UnixServer(str(path), Dispatcher(service, handlers), tasks, limits)
            await server.start()
            ready.put(None)
            await service.stop.wait()
            await server.stop(service.grace_s)

    def run() -> None:
        try:
            asyncio.run(serve(), debug=True)
        except BaseException as error:
            ready.put(error)
            raise

    thread = threading.Thread(target=run, name="server")
    thread.start()
    failure = ready.get(timeout=PATIENCE_S)
    if failure is not None:
        thread.join()
        raise failure
    try:
        yield service
    finally:
        if thread.is_alive():
            service.stop_soon()
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the server did not stop"
    assert complaints == []


class RawClient:
    """Bytes in, lines out."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(path))
        self._reader = self.sock.makefile("rb")

    def send(self, data: bytes) -> RawClient:
        self.sock.sendall(data)
        return self

    def ask(self, *messages: Any) -> RawClient:
        return self.send(b"".join(json.dumps(each).encode() + b"\n" for each in messages))

    def end(self) -> RawClient:
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def line(self) -> Any:
        line = self._reader.readline()
        return json.loads(line) if line else None

    def rest(self) -> bytes:
        return self._reader.read()

    def close(self) -> None:
        self._reader.close()
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def request(request_id: Any, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
