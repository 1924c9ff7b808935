"""What waits for its environment is called off by who started it, once, and nothing else is."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.api.errors import KernelDidNotStart
from runtimed.kernels.under_way import UnderWay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BOT = {"client": "mcp", "agent": "bot"}


def is_of_bot(who: dict[str, Any] | None) -> bool:
    return who == BOT


@contextlib.asynccontextmanager
async def built(waits_for: asyncio.Event) -> AsyncIterator[str]:
    await waits_for.wait()
    yield "built"


async def test_what_waits_is_called_off_and_what_others_want_is_not() -> None:
    under_way, goes_on, ended = UnderWay(), asyncio.Event(), []

    async def start(who: dict[str, Any] | None) -> None:
        try:
            async with under_way.entering(built(goes_on), who, "six") as found:
                ended.append(found)
        except KernelDidNotStart as failure:
            ended.append(failure.data["detail"].partition(":")[0])

    async with asyncio.TaskGroup() as tasks:
        for who in (BOT, None, BOT):
            tasks.create_task(start(who))
        await asyncio.sleep(0)
        assert under_way.call_off(is_of_bot) == 2
        assert under_way.call_off(is_of_bot) == 0
        goes_on.set()
    assert sorted(ended) == ["built", "it was called off", "it was called off"]


async def test_what_has_its_environment_is_not_called_off_any_more() -> None:
    under_way, goes_on = UnderWay(), asyncio.Event()
    goes_on.set()
    async with under_way.entering(built(goes_on), BOT, "six"):
        assert under_way.call_off(is_of_bot) == 0
        await asyncio.sleep(0)


async def test_another_timeout_is_what_it_is() -> None:
    with pytest.raises(TimeoutError, match="its own"):
        async with UnderWay().started_by(BOT, "six"):
            raise TimeoutError("its own")
