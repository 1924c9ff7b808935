"""The TCP listener of `runt serve`: where it may be, and its connections until it ends."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from typing import TYPE_CHECKING

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from runtimed.gateway.app import ADMIT
from runtimed.gateway.crowd import Crowd

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.gateway.app import Gateway

_BACKLOG = 128
#: Seconds in which a request's head, and what is dropped of a refused one's body, must have come.
_HEAD_S = 10.0
#: Seconds that answers have when it is told to end.
_GRACE_S = 5.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class BadAddress(ValueError):
    """Not somewhere to listen."""


def parse(address: str) -> tuple[str, int]:
    """Return host and port of "HOST:PORT". Raises `BadAddress`."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not (colon and host and port.isascii() and port.isdecimal() and int(port) < 65_536):
        raise BadAddress(f"{address!r} is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:0")
    return host, int(port)


def bind(host: str, port: int, *, allow_remote: bool) -> socket.socket:
    """Return a listening socket, on loopback unless remote clients are wished for.

    Raises `BadAddress`, or `OSError` where the address cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise BadAddress(f"{host!r} is no address of this machine: {error.strerror}") from None
    family, _, _, _, address = found[0]
    if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback and not allow_remote:
        raise BadAddress(
            f"{host} can be reached from other machines, and nothing is encrypted; "
            "--allow-remote allows that"
        )
    return socket.create_server(address, family=family, backlog=_BACKLOG)


class _Protocol(H11Protocol):
    """A connection that does not wait for ever for the rest of what nobody answers yet."""

    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, config: Config, state: ServerState, crowd: Crowd) -> None:
        super().__init__(config, state, {ADMIT: lambda: crowd.admit(self)})
        self._crowd = crowd

    def cut(self) -> None:
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does so only where the listener's protocol is said to be TCP; without it, the end
        # of each answer waits 40 ms for the client to acknowledge the beginning.
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._mind_the_time()
        self._crowd.enter(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._mind_the_time()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._crowd.leave(self)
        self._stop_the_clock()

    def _mind_the_time(self) -> None:
        state = self.conn.their_state
        is_refused = state is h11.SEND_BODY and self.conn.our_state is h11.DONE
        if not (state is h11.IDLE or is_refused):
            self._stop_the_clock()
        elif self._deadline is None:  # a byte now and then does not put it off
            self._deadline = self.loop.call_later(_HEAD_S, self.transport.abort)

    def _stop_the_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def take_signals() -> asyncio.Queue[int]:
    """Return where the signals arrive that end it, from now on."""
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[int] = asyncio.Queue()
    for number in _ENDING:
        # nohup and a shell's background jobs ignore some of them for us on purpose.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, signals.put_nowait, number)
    return signals


async def serve(
    gateway: Gateway,
    listener: socket.socket,
    signals: asyncio.Queue[int],
    announce: Callable[[], None],
    crowd: Crowd | None = None,
) -> int:
    """Serve until a signal, and return its number. ``announce`` is called once it is served."""
    logging.getLogger("uvicorn.error").disabled = True  # what it has to tell, our own log tells
    config = Config(
        gateway,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    crowd = crowd or Crowd()
    server = await loop.create_server(lambda: _Protocol(config, state, crowd), sock=listener)
    announce()
    ended_by = await signals.get()
    server.close()
    gateway.end_streams()
    for connection in list(state.connections):
        connection.shutdown()
    await _finish(state, signals)
    return ended_by


async def _finish(state: ServerState, signals: asyncio.Queue[int]) -> None:
    """Let answers end by themselves, not for ever, and not after another signal."""
    try:
        async with asyncio.timeout(_GRACE_S), asyncio.TaskGroup() as waits:
            hurry = waits.create_task(_another(signals), name="another signal")
            while state.tasks and not hurry.done():
                await asyncio.wait({*state.tasks, hurry}, return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
    except TimeoutError:
        pass
    for connection in list(state.connections):
        connection.transport.abort()
    if state.tasks:
        await asyncio.wait(state.tasks)


async def _another(signals: asyncio.Queue[int]) -> None:
    await signals.get()
