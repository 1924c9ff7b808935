"""The TCP listener of `runt serve`: where it may be, and its connections until it ends."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from typing import TYPE_CHECKING, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from runtimed.gateway.crowd import Crowd
from runtimed.gateway.protocol import Protocol
from runtimed.hangup import HangupWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.gateway.app import Gateway

_BACKLOG = 128
#: As the daemon's limit of a head.
_HEAD_BYTES = 64 * 1024
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
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_HEAD_BYTES,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    crowd, hangups = crowd or Crowd(), HangupWatch(loop)
    server = await loop.create_server(
        lambda: Protocol(config, state, crowd, hangups), sock=listener
    )
    announce()
    ended_by = await signals.get()
    server.close()
    gateway.end_streams()
    for connection in _connections(state):
        connection.shutdown()
    await _finish(state, signals)
    hangups.close()
    return ended_by


def _connections(state: ServerState) -> list[Protocol]:
    return cast("list[Protocol]", list(state.connections))


async def _finish(state: ServerState, signals: asyncio.Queue[int]) -> None:
    """Let answers end by themselves, not for ever, and not after another signal."""
    try:
        async with asyncio.timeout(_GRACE_S), asyncio.TaskGroup() as waits:
            hurry = waits.create_task(_another(signals), name="another signal")
            while not hurry.done():
                # A connection outlives its last task for as long as the client reads.
                left = {*state.tasks, *(each.gone for each in _connections(state))}
                if not left:
                    break
                await asyncio.wait({*left, hurry}, return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
    except TimeoutError:
        pass
    for connection in _connections(state):
        connection.transport.abort()
    if state.tasks:
        await asyncio.wait(state.tasks)


async def _another(signals: asyncio.Queue[int]) -> None:
    await signals.get()
