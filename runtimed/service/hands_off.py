"""What others started is ended or restarted on an explicit word only, and by its owner first."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import KeeperUnavailable, NoServer, NotOurs
from runtimed.kernels import owners
from runtimed.model.ids import short

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.hub import Subscription
    from runtimed.service.context import Context
    from runtimed.store.runtimes import RuntimeRow

#: How long a Jupyter server may take to end or restart a kernel.
SERVER_S = 30.0


def refuse_unless_forced(row: RuntimeRow, verb: str, *, force: bool) -> None:
    """Raise `NotOurs` for a kernel that somebody else started, unless the caller insists."""
    if row.origin == "adopted" and not force:
        raise NotOurs(runtime=short(row.id), owner=describe_owner(row.owner), verb=verb)


def describe_owner(owner: dict[str, Any] | None) -> str:
    """Return who owns a kernel, in words."""
    if owner is None:
        return "somebody else"
    if owner["kind"] == "jupyter_server":
        path = f" ({owner['path']})" if owner.get("path") else ""
        return f"the Jupyter server at {owner['url']}{path}"
    return f"{owner.get('name') or 'a process'} (pid {owner.get('pid')})"


async def stop_by_server(context: Context, row: RuntimeRow) -> bool:
    """Have the owning Jupyter server end it, else it would start it again; False if it has none.

    Raises `KeeperUnavailable` if the kernel is not seen to end.
    """
    with contextlib.closing(_changes(context, row)) as changes:
        if not await context.adopter.ownership.ask(row, owners.shutdown):
            return False
        await _until(changes, lambda: row.status == "dead", "end")
    return True


async def restart_by_server(context: Context, row: RuntimeRow) -> None:
    """Have the owning Jupyter server restart it. Raises `NoServer` or `KeeperUnavailable`."""
    before = row.incarnation

    def is_back() -> bool:
        return row.incarnation > before and row.status not in ("starting", "dead")

    with contextlib.closing(_changes(context, row)) as changes:
        if not await context.adopter.ownership.ask(row, owners.restart):
            raise NoServer(runtime=short(row.id), owner=describe_owner(row.owner))
        await _until(changes, is_back, "come back")


def _changes(context: Context, row: RuntimeRow) -> Subscription:
    """Return what becomes of the runtime from now on: its actor ends and begins with the kernel."""
    return context.hub.subscribe(None, runtime_id=row.id, types=["runtime"])


async def _until(changes: Subscription, condition: Callable[[], bool], what: str) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SERVER_S), contextlib.aclosing(aiter(changes)) as pages:
            if condition():
                return
            async for _ in pages:
                if condition():
                    return
    raise KeeperUnavailable(detail=f"the kernel was not seen to {what}")
