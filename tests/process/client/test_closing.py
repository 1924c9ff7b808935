"""A client that was closed makes no calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from runtimed.client import ClientClosed, connect, connect_async

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon


def test_a_closed_client_refuses(daemon: Daemon) -> None:
    with connect(str(daemon.state.socket), start=False) as client:
        client.runtimes()
    with pytest.raises(ClientClosed, match="closed"):
        client.runtimes()
    with pytest.raises(ClientClosed):
        client.events()
    with pytest.raises(ClientClosed), client:
        pass


def test_so_does_one_of_asyncio(daemon: Daemon) -> None:
    async def run() -> None:
        async with connect_async(str(daemon.state.socket), start=False) as client:
            await client.runtimes()
        with pytest.raises(ClientClosed):
            await client.runtimes()
        with pytest.raises(ClientClosed):
            async with client:
                pass

    asyncio.run(run())
