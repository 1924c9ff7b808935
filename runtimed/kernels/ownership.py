"""Know who owns the adopted kernels: asked of the Jupyter servers, and asked again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import StoreUnavailable
from runtimed.kernels import connection_files, identity, owners

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.kernels.actor import Actor
    from runtimed.kernels.supervisor import Supervisor
    from runtimed.store.runtimes import RuntimeRow

log = logging.getLogger(__name__)

#: A server makes a notebook's session after it has started the kernel: it is asked again then.
_AGAIN_S = (0.5, 1.5, 4.0)
#: So many earlier paths of a notebook are known.
_PATHS = 20


class Ownership:
    """The owners of adopted kernels. Part of the adopter."""

    def __init__(self, supervisor: Supervisor, directories: list[str]) -> None:
        self.is_due = asyncio.Event()
        self._supervisor = supervisor
        self._directories = directories

    async def run(self, interval_s: float) -> None:
        """Find the owners when something was adopted, and once an interval, until cancelled."""
        again = 0
        while True:
            delay_s = _AGAIN_S[again] if again < len(_AGAIN_S) else interval_s
            try:
                async with asyncio.timeout(delay_s):
                    await self.is_due.wait()
                again = 0
            except TimeoutError:
                again += 1
            self.is_due.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        adopted = [
            actor
            for actor in self._supervisor.actors.values()
            if actor.row.origin == "adopted" and actor.row.status != "dead"
        ]
        if not adopted:
            return
        found = await asyncio.to_thread(self._find, [actor.row for actor in adopted])
        for actor in adopted:
            self._note(actor, found.get(actor.row.id))

    def _find(self, rows: list[RuntimeRow]) -> dict[str, dict[str, Any] | None]:
        living = owners.owners(self._directories)
        servers = [(server, owners.sessions(server)) for server in living]
        return {
            row.id: owners.owner_of(row.connection_file, _process(row), servers) for row in rows
        }

    def _note(self, actor: Actor, owner: dict[str, Any] | None) -> None:
        row = actor.row
        if owner is None or row.status == "dead":
            return
        owner = with_earlier_paths(owner, row.owner)
        if owner == row.owner:
            return
        row.owner = owner
        with contextlib.suppress(StoreUnavailable):  # the next save has it
            actor.save()

    async def ask(self, row: RuntimeRow, what: Callable[[owners.Server, str], bool]) -> bool:
        """Have the Jupyter server that owns the kernel do something; False if there is none."""

        def ask() -> bool:
            kernel_id = connection_files.kernel_id(row.connection_file)
            for server in owners.owners(self._directories):
                if kernel_id in owners.sessions(server):
                    return what(server, kernel_id)
            return False

        return await asyncio.to_thread(ask)


def with_earlier_paths(owner: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Return the owner with the paths that its notebook had before: it was renamed, or closed."""
    if before is None:
        return owner
    paths = [before.get("path"), *before.get("earlier_paths", ())]
    earlier = [path for path in dict.fromkeys(paths) if path and path != owner["path"]]
    return {**owner, "earlier_paths": earlier[:_PATHS]} if earlier else owner


def _process(row: RuntimeRow) -> identity.Process | None:
    found = None if row.pid is None else identity.process(row.pid)
    return found if found is not None and found.start_time == row.start_time else None
