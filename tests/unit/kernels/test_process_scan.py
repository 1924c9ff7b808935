from __future__ import annotations

import asyncio

from runtimed.kernels.process_scan import ProcessScan, Scans


async def test_who_ask_at_once_share_a_scan_that_is_younger_than_their_question() -> None:
    scans = Scans()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(scans.next())
        await asyncio.sleep(0)
        late = await asyncio.gather(*(scans.next() for _ in range(100)))
    assert len(set(map(id, late))) == 1
    assert late[0] is not first.result()
    assert await scans.next() is not late[0]
    assert isinstance(late[0], ProcessScan)
