"""What others started is ended or restarted on an explicit word only, and by its owner first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import KeeperUnavailable, NoServer, NotOurs
from runtimed.kernels import owners
from runtimed.model.ids import short

if TYPE_CHECKING:
    from runtimed.kernels.actor import Actor
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


async def stop_by_server(context: Context, actor: Actor) -> bool:
    """Have the owning Jupyter server end it: else it would start it again."""
    row = actor.row
    if not await context.adopter.ownership.ask(row, owners.shutdown):
        return False
    await _until(actor, lambda: row.status == "dead")
    return True


async def restart_by_server(context: Context, row: RuntimeRow) -> None:
    """Have the owning Jupyter server restart it. Raises `NoServer` or `KeeperUnavailable`."""
    before = row.incarnation
    if not await context.adopter.ownership.ask(row, owners.restart):
        raise NoServer(runtime=short(row.id))
    try:
        async with asyncio.timeout(SERVER_S):
            while True:
                actor = context.supervisor.actors.get(row.id)
                if actor is None:  # between its two lives
                    await asyncio.sleep(0.05)
                    continue
                await actor.until(lambda: row.incarnation > before or row.status == "dead")
                if row.incarnation > before:
                    await actor.until(lambda: row.status != "starting")
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise KeeperUnavailable(detail="the kernel was not seen to come back") from None


async def _until(actor: Actor, condition: Any) -> None:
    try:
        async with asyncio.timeout(SERVER_S):
            await actor.until(condition)
    except TimeoutError:
        raise KeeperUnavailable(detail="the kernel was not seen to end") from None
