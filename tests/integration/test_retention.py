"""Retention on a real store, without a daemon: what is looked at by itself, and when."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from runtimed.config import Config
from runtimed.hub import Hub
from runtimed.kernels.clock import now_ms
from runtimed.recorder import WEIGHED_BYTES, Batch, Recorder
from runtimed.service import retention
from runtimed.service.history_index import HistoryIndex
from runtimed.service.retention import Retention
from runtimed.store import blobs
from runtimed.store.blobs import Blobs
from runtimed.store.db import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Room:
    """A store with nothing in it, and what makes room in it."""

    def __init__(self, path: Path, config: Config) -> None:
        (path / "blobs").mkdir()
        self.store = Store(str(path / "db.sqlite"), config)
        self.recorder = Recorder(self.store, Hub(self.store, config))
        self.files = Blobs(str(path / "blobs"), 1000)
        self.index = HistoryIndex(self.store, self.recorder, str(path / "search.sqlite"))
        self.index.search.progress(0)
        self.retention = Retention(self.recorder, self.files, self.index, config)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path, Config(retention_bytes=8 * 1024 * 1024))
    try:
        yield room
    finally:
        room.index.search.close()
        room.store.close()


def unused_blob(room: Room, data: bytes) -> str:
    sha256, size_bytes = room.files.put([data])
    room.store.write(blobs.note, sha256, size_bytes, now_ms())
    return room.files.path(sha256)


def test_a_blob_that_nobody_refers_to_goes_when_it_is_old(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, though the limit is far away."""
    monkeypatch.setattr(retention, "_SWEEP_S", 0.01)
    path = unused_blob(room, b"x" * 5000)

    async def run() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(room.retention.run())
            while (await room.retention.kept()).leaving_bytes != 5000:
                await asyncio.sleep(0.01)
            assert os.path.exists(path)
            os.utime(path, (0, 0))
            while os.path.exists(path):
                await asyncio.sleep(0.01)
            task.cancel()

    asyncio.run(run())


def test_it_is_looked_more_often_where_the_limit_is_small(room: Room) -> None:
    async def run() -> None:
        assert room.recorder.weighed_bytes == WEIGHED_BYTES
        assert (await room.retention.kept()).limit_bytes == 8 * 1024 * 1024
        batch = Batch(now_ms())
        batch.event("notice", None, None, {"text": "x" * (1024 * 1024)})
        assert not room.recorder.has_grown.is_set()
        room.recorder.commit(batch)
        assert room.recorder.has_grown.is_set()

    asyncio.run(run())
