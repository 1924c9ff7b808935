"""Handler of ``runtime.forget``: nothing of what is forgotten stays in a file of ours.

What cannot go at once, as somebody else has it open or a disk is full, is said.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from runtimed.api.errors import Denied, KeeperUnavailable, StoreUnavailable
from runtimed.api.runtimes import RuntimeForget
from runtimed.api.types import Forgotten
from runtimed.kernels import launch, own_output
from runtimed.kernels.clock import now_ms
from runtimed.kernels.journal import JournalReader
from runtimed.kernels.link import Refused
from runtimed.recorder import Batch
from runtimed.service.binding import Caller, serves
from runtimed.service.history_index import READ_FROM
from runtimed.service.moments import milliseconds
from runtimed.service.references import find_recorded
from runtimed.store import blobs, forgetting
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.kernels.actor import Actor
    from runtimed.service.context import Context
    from runtimed.store.runtimes import RuntimeRow

_JOURNAL_LEFT = (
    "the journal that it came in could not be ended, and has it still; "
    "`runt forget` again once the disk and the keeper are well"
)


@serves(RuntimeForget)
async def runtime_forget(context: Context, call: RuntimeForget, caller: Caller) -> Forgotten:
    if caller.is_agent:
        raise Denied(detail="an agent cannot take off what the record has of it; a person can")
    row = find_recorded(context, call.runtime, exact=True, destroys=True)
    since_ms = 0 if call.since is None else milliseconds(call.since, "since")
    actor = context.supervisor.actors.get(row.id)
    store = context.store
    found = await asyncio.to_thread(store.read_apart, forgetting.forgettable, row.id, since_ms)
    async with context.index.forgetting(found) as index_left:
        left = store.write(forgetting.forget, found)
    # From here on it is done: what may be left is said, and is no error.
    notices = [] if index_left is None else [index_left]
    batch = Batch(now_ms())
    batch.event("runtime", row.id, None, {"forgotten": len(found.ids)})
    with _said(notices):
        context.supervisor.parts.recorder.commit(batch)
    removed = 0
    for sha256 in left:
        with _said(notices):
            removed += _remove(context, sha256)
        await asyncio.sleep(0)
    notices += await _forget_journal(context, row, actor)
    if call.since is None:
        with _said(notices):
            await asyncio.to_thread(_clear_own_output, context, row.id)
    if notices or removed < len(left):
        context.supervisor.parts.recorder.has_grown.set()  # it is looked again, soon
    return Forgotten(
        executions=len(found.ids), blobs=len(left), notices=list(dict.fromkeys(notices))
    )


@contextlib.contextmanager
def _said(notices: list[str]) -> Iterator[None]:
    try:
        yield
    except (StoreUnavailable, OSError) as error:
        detail = error.data["detail"] if isinstance(error, StoreUnavailable) else error
        notices.append(f"not all of it could be removed: {detail}")


def _remove(context: Context, sha256: str) -> bool:
    """Remove a blob that was left, unless somebody else wants it by now: in one turn of the loop.

    One that is about to be referred to stays, and goes later where that does not happen.
    """
    if context.store.read(blobs.is_used, sha256):
        return False
    if not context.blobs.remove_unclaimed(sha256):
        return False
    context.store.write(blobs.drop, sha256)
    return True


async def _forget_journal(context: Context, row: RuntimeRow, actor: Actor | None) -> list[str]:
    """Remove the segments of the journal that have been taken in, once that is on the disk."""
    reader = JournalReader(context.state.journal(row.id), 0)
    written = await asyncio.to_thread(reader.written_end)
    if actor is not None:
        # Where it is refused, that shows below.
        with contextlib.suppress(KeeperUnavailable, Refused):
            await context.supervisor.keeper()
            await actor.messenger.request(Op.ROTATE)
            await actor.reading.caught_up()
    offset = row.journal_offset
    notices: list[str] = []
    with _said(notices):
        if not await asyncio.to_thread(context.store.truncate_log):
            notices.append(READ_FROM)
        # That it was taken in is on the disk, wherever: nobody will read it again.
        await asyncio.to_thread(reader.unlink_before, offset)
    begins = await asyncio.to_thread(reader.begins)
    if begins is not None and begins < written:
        notices.append(_JOURNAL_LEFT)
    return notices


def _clear_own_output(context: Context, runtime_id: str) -> None:
    """Empty what its process wrote past Jupyter: when, is not known."""
    own_output.clear(launch.stdout_path(context.state, runtime_id))
    own_output.clear(launch.stderr_path(context.state, runtime_id))
