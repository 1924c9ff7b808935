"""Subscriptions on a real store, without a daemon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from runtimed import hub
from runtimed.config import Config
from runtimed.hub import Hub
from runtimed.store import events
from runtimed.store.db import Store
from runtimed.store.events import EventRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENTS, GAPS = 1_000, (301, 900)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Hub]:
    """Return a hub of a store with many events, of which few are gaps."""
    store = Store(str(tmp_path / "db.sqlite"), Config())
    rows = [
        EventRow(seq, 0, "gap" if seq in GAPS else "output", None, None, "{}")
        for seq in range(1, EVENTS + 1)
    ]
    store.write(events.insert, rows)
    yield Hub(store, Config())
    store.close()


async def test_a_look_for_few_among_many_takes_turns(
    filled: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "STRETCH", 10)
    subscription = filled.subscribe("start", types=["gap"])
    pages, turns = aiter(subscription), 0

    async def found() -> list[int]:
        page = await anext(pages)
        return [msgspec.json.decode(bytes(row))["seq"] for row in page if isinstance(row, bytes)]

    async with asyncio.TaskGroup() as tasks:
        for seq, least in zip(GAPS, (30, 89), strict=True):
            looking = tasks.create_task(found())
            while not looking.done():
                turns += 1
                await asyncio.sleep(0)
            assert looking.result() == [seq]
            assert turns >= least
        late = tasks.create_task(found())
        while not filled.is_live(subscription):
            await asyncio.sleep(0)
        assert subscription.position == EVENTS
        row = EventRow(EVENTS + 1, 0, "gap", None, None, "{}")
        filled.store.write(events.insert, [row])
        filled.publish([row])
        assert await late == [EVENTS + 1]
