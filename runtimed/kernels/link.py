"""The daemon's end of the link to the keeper."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from runtimed import __version__
from runtimed.api.errors import KeeperUnavailable
from runtimed.environ import inheritable
from runtimed.wire import link
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtimed.paths import State


class Refused(Exception):
    """The keeper did not do it; ``code`` is one of `link.Refusal`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message or code


#: What is read lands here, from whichever connection: it is taken out before the next read. (The
#: 256 KiB that an `asyncio.Protocol` gets for every read come from mmap(2), and go back at once.)
_ROOM = memoryview(bytearray(65_536))


class KeeperLink(asyncio.BufferedProtocol):
    """One connection to the keeper; a new one is a new object. Owned by the supervisor.

    ``on_bell`` is called with {runtime id: end offset of its journal}.
    """

    def __init__(self, on_bell: Callable[[dict[str, int]], None]) -> None:
        self._on_bell = on_bell
        self._decoder = link.Decoder()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._transport: asyncio.Transport | None = None
        self.lost: asyncio.Event = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return _ROOM

    def buffer_updated(self, nbytes: int) -> None:
        for header, _payloads in self._decoder.feed(bytes(_ROOM[:nbytes])):
            if (bell := header.get("bell")) is not None:
                self._on_bell(bell)
                continue
            answer = self._waiting.pop(header.get("re", 0), None)
            if answer is None or answer.done():
                continue
            if (code := header.get("error")) is not None:
                answer.set_exception(Refused(code, str(header.get("message", ""))))
            else:
                answer.set_result(header)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(KeeperUnavailable(detail="it went away"))
        self._waiting.clear()
        self.lost.set()

    def request(
        self, op: Op, payloads: Sequence[bytes] = (), **fields: Any
    ) -> asyncio.Future[dict[str, Any]]:
        """Ask; the future's result is the answer, or `Refused` or `KeeperUnavailable`."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        # An answer that nobody awaits any more is no reason for a warning.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._transport is None:
            answer.set_exception(KeeperUnavailable(detail="there is no connection to it"))
            return answer
        number = next(self._numbers)
        self._waiting[number] = answer
        self._transport.write(link.encode({"op": op, "n": number, **fields}, payloads))
        return answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


#: The variable that names the service manager's unit of the keeper, where there is one.
UNIT_VARIABLE = "RUNTIMED_KEEPER"


async def connect(
    state: State, on_bell: Callable[[dict[str, int]], None]
) -> tuple[KeeperLink, dict[str, Any]]:
    """Connect to the keeper, starting one where there is none; return the link and its hello.

    Raises `KeeperUnavailable`.
    """
    loop = asyncio.get_running_loop()
    for attempt in range(2):
        try:
            _, protocol = await loop.create_unix_connection(
                lambda: KeeperLink(on_bell), state.keeper_socket
            )
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if attempt:
                raise KeeperUnavailable(detail=str(error)) from error
            await asyncio.to_thread(start_keeper, state)
            continue
        hello = await protocol.request(Op.HELLO, pid=os.getpid(), version=__version__)
        return protocol, hello
    raise AssertionError  # the loop returns or raises


def start_keeper(state: State) -> None:
    """Start a keeper that outlives us and wait until it listens. Raises `KeeperUnavailable`.

    Under a service manager that is the manager's to do: it ends what we start together with us.
    """
    if unit := os.environ.get(UNIT_VARIABLE):
        _start_unit(unit)
    else:
        _spawn_keeper(state)


def _start_unit(unit: str) -> None:
    done = subprocess.run(
        ["systemctl", "--user", "start", unit],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise KeeperUnavailable(detail=f"{unit} cannot be started: {done.stderr.strip()}")


def _spawn_keeper(state: State) -> None:
    ready, told = os.pipe()
    log = os.open(state.keeper_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "runtimed",
                "keeper",
                "--state-dir",
                state.dir,
                "--ready-fd",
                str(told),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=inheritable(os.environ),
            cwd="/",
            pass_fds=(told,),
            start_new_session=True,
        )
    finally:
        os.close(told)
        os.close(log)
    with open(ready, "rb") as pipe:
        if pipe.readline() == b"ready\n":
            # It is not ours to wait for: it outlives us. Popen must not warn that it still runs.
            child.returncode = 0
            return
    status = child.wait()
    if status == _ALREADY_RUNNING:
        return  # somebody was quicker; the connection tells
    raise KeeperUnavailable(
        detail=f"it ended at once, with status {status}; see {state.keeper_log}"
    )


#: sysexits.h EX_TEMPFAIL: another keeper has the state directory.
_ALREADY_RUNNING = 75
