"""A daemon's stand-in at a Unix socket: it gets bytes, and answers with what a test has written."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Play = Callable[["Visit"], Awaitable[None]]


@dataclass
class Visit:
    """One connection, as the stand-in sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes = b""

    async def read_head(self) -> bytes:
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        return self.head

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def has_gone(self) -> None:
        """Wait until the other side has hung up."""
        while await self.reader.read(65_536):
            pass


@dataclass
class Upstream:
    path: str
    visits: list[Visit] = field(default_factory=list)


@asynccontextmanager
async def upstream(path: Path, play: Play) -> AsyncIterator[Upstream]:
    """Serve with one coroutine a connection, after whose end it is closed."""
    found = Upstream(str(path))

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(reader, writer)
        found.visits.append(visit)
        try:
            await play(visit)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_unix_server(visited, str(path))
    try:
        yield found
    finally:
        server.close()
