"""One desk for each agent, and no more connections than are of use."""

from __future__ import annotations

import asyncio

import pytest

from runtimed.api.runtimes import RuntimeList
from runtimed.client.patience import ClientClosed
from runtimed.mcp import desk as desks
from runtimed.mcp.desk import open_desks
from runtimed.mcp.sight import Scope


async def test_a_desk_that_was_not_used_for_longest_is_closed_unless_it_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(desks, "MOST_DESKS", 2)
    async with open_desks(Scope()) as opened:
        held, idle = opened.of("held"), opened.of("idle")
        held.hold()
        used = opened.of("used")
        await asyncio.sleep(0)
        with pytest.raises(ClientClosed):
            await idle.call(RuntimeList())
        assert opened.of("held") is held and opened.of("used") is used
        assert opened.of("idle") is not idle  # what it works with is opened anew
        held.release()
        opened.of("one more")
        assert opened.of("held") is not held
