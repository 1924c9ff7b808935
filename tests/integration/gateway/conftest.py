"""A gateway in the test's own loop, in front of a stand-in for the daemon."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.gateway.app import Gateway
from runtimed.gateway.guard import LOOPBACK, Rules
from runtimed.gateway.listening import bind, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from runtimed.gateway.crowd import Crowd

TOKEN = "a-token-of-some-length"
PAGE = "https://notebook.example"


@dataclass
class Served:
    """Where a gateway listens, and how it is told to end."""

    port: int
    signals: asyncio.Queue[int]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(
        self, request: str, body: bytes = b""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request with the token, given as its lines without Host."""
        first, *others = request.split("\n")
        authorization = f"Authorization: Bearer {TOKEN}"
        lines = [first, f"Host: localhost:{self.port}", authorization, *others, "", ""]
        reader, writer = await self.connect()
        writer.write("\r\n".join(lines).encode() + body)
        return reader, writer

    async def ask(self, request: str, body: bytes = b"") -> tuple[bytes, bytes]:
        """Return head and body of the answer to a request that says ``Connection: close``."""
        reader, writer = await self.send(f"{request}\nConnection: close", body)
        answer = await reader.read()
        writer.close()
        head, _, rest = answer.partition(b"\r\n\r\n")
        return head, rest


@pytest.fixture
def socket_path() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="rg-"))
    yield directory / "s"
    shutil.rmtree(directory)


@asynccontextmanager
async def gateway(socket_path: Path, crowd: Crowd | None = None) -> AsyncIterator[Served]:
    """Serve until the block is left; then it must end in order."""
    rules = Rules(TOKEN, frozenset(LOOPBACK), origins=frozenset({PAGE}))
    signals: asyncio.Queue[int] = asyncio.Queue()
    begun = asyncio.Event()
    with bind("127.0.0.1", 0, allow_remote=False) as listener:
        port = listener.getsockname()[1]
        async with asyncio.TaskGroup() as tasks:
            passing = Gateway(rules, str(socket_path))
            served = tasks.create_task(serve(passing, listener, signals, begun.set, crowd))
            await begun.wait()
            try:
                yield Served(port, signals)
            finally:
                await signals.put(signal.SIGTERM)
                assert await served == signal.SIGTERM
