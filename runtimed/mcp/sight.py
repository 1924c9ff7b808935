"""What an MCP client may see: the runtimes that it started or was given, and their history.

Whatever else this person has is not found, in the same words as what is not there.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtimed.api.errors import (
    AmbiguousReference,
    ExecutionNotFound,
    InvalidParams,
    RuntimeNotFound,
)
from runtimed.api.executions import ExecutionGet
from runtimed.api.runtimes import RuntimeGet, RuntimeList
from runtimed.mcp.answer import NotThere, ToolFailure
from runtimed.mcp.lines import clipped

if TYPE_CHECKING:
    from runtimed.api.types import Execution, Runtime
    from runtimed.client import AsyncClient

#: The kind of client that the record has for everything that comes from here.
CLIENT = "mcp"
_NO_NAME = "unnamed"
_REFERENCE_CHARS = 100
#: Names may be anything; of longer ones an answer has the beginning.
NAME_CHARS = 60
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """What the person has given when the server was set up.

    ``project`` is a directory: its runtime is the one that code runs in where none is named.
    ``everything`` is all that was started through runtimed, whoever did.
    """

    agent: str | None = None
    runtimes: tuple[str, ...] = ()
    project: str | None = None
    everything: bool = False
    read_only: bool = False


def agent_name(said: str | None) -> str:
    """Return the name that the record has for an agent that calls itself so."""
    cleaned = _UNFIT.sub("-", said or "").strip("-")[:64]
    return cleaned or _NO_NAME


class Sight:
    """What one agent may see. It asks the daemon each time: sharing takes effect at once."""

    def __init__(self, client: AsyncClient, scope: Scope, agent: str) -> None:
        self._client = client
        self._scope = scope
        self._agent = agent

    async def runtimes(self, *, dead: bool = True) -> list[Runtime]:
        """Return the runtimes in sight, oldest first."""
        named = await self._named()
        found = await self._client.call(RuntimeList(all=True))
        listed = {runtime.id for runtime in found}
        found += [runtime for id, runtime in named.items() if id not in listed]
        return [
            each
            for each in found
            if (dead or each.status != "dead") and (each.id in named or self._is_visible(each))
        ]

    async def runtime(self, reference: str) -> Runtime:
        """Return the runtime meant: by id, short id, name or a unique prefix of these.

        A living one goes before dead ones, the youngest before older. Raises `ToolFailure`.
        """
        visible = await self.runtimes()
        for runtime in visible:
            if runtime.id == reference.upper():
                return runtime
        wanted = _bare(reference, "runtime")
        found = [
            each
            for each in visible
            if each.name in (reference, wanted) or each.short_id == wanted.lower()
        ]
        found = found or [
            each
            for each in visible
            if each.name.startswith(wanted) or each.short_id.startswith(wanted.lower())
        ]
        found = [each for each in found if each.status != "dead"] or found[-1:]
        if not found:
            raise NotThere(no_runtime(reference))
        if len(found) > 1:
            names = ", ".join(f"{each.short_id} ({each.name})" for each in found)
            any_of = f"{_shown(reference)} may be any of {clipped(names, 1000)}"
            raise ToolFailure(f"{any_of}: name one by its id.")
        return found[0]

    async def execution(self, reference: str) -> Execution:
        """Return an execution without outputs, by its id or short id. Raises `ToolFailure`."""
        try:
            found = await self._client.call(
                ExecutionGet(execution=_bare(reference.split("·")[0], "execution"), outputs=False)
            )
        except (ExecutionNotFound, AmbiguousReference, InvalidParams):
            raise NotThere(no_execution(reference)) from None
        if not await self._sees(found.runtime.id):
            raise NotThere(no_execution(reference))
        return found

    async def runtime_ids(self) -> list[str]:
        """Return the ids of all runtimes in sight, dead or alive."""
        return [runtime.id for runtime in await self.runtimes()]

    async def _sees(self, runtime_id: str) -> bool:
        """Say whether a runtime is in sight, be it taken off the lists."""
        try:
            runtime = await self._client.call(RuntimeGet(runtime=runtime_id))
        except RuntimeNotFound:
            return False
        return self._is_visible(runtime) or runtime_id in await self._named()

    def is_own(self, runtime: Runtime) -> bool:
        """Say whether this agent started it, so that it may end it."""
        by = runtime.started_by
        return by is not None and by.client == CLIENT and by.agent == self._agent

    def _is_visible(self, runtime: Runtime) -> bool:
        if runtime.shared:
            return True
        if runtime.origin != "launched":
            return False
        scope = self._scope
        # Not its notebooks' kernels, nor what else was started in that directory.
        is_project = (
            runtime.implicit and scope.project is not None and runtime.project == scope.project
        )
        return scope.everything or is_project or self.is_own(runtime)

    async def _named(self) -> dict[str, Runtime]:
        """Return the runtimes that were given by name, by their ids; what is not there is not."""
        found = {}
        for reference in self._scope.runtimes:
            try:
                runtime = await self._client.call(RuntimeGet(runtime=reference))
            except (RuntimeNotFound, AmbiguousReference):
                continue
            if _is_called(runtime, reference):  # not by a prefix: that may be another one's later
                found[runtime.id] = runtime
        return found


def _is_called(runtime: Runtime, reference: str) -> bool:
    names = {runtime.name, runtime.connection_file, str(runtime.pid)}
    if runtime.owner is not None and (path := getattr(runtime.owner, "path", None)):
        names |= {path, os.path.basename(path)}
    file = os.path.basename(runtime.connection_file)
    stem = file.removesuffix(".json")
    names |= {file, stem, stem.removeprefix("kernel-")}
    ids = (runtime.id.lower(), runtime.short_id.lower())
    return reference in names or reference.lower() in ids


def no_runtime(reference: str) -> str:
    """Say that there is no such runtime, or none in sight: nobody can tell which."""
    return (
        f"No runtime that you may use is called {_shown(reference)}. list_runtimes shows those "
        "that you may; the person can add one with `runt share NAME`."
    )


def no_execution(reference: str) -> str:
    """Say that there is no such execution, or none in sight."""
    return (
        f"No execution that you may see is called {_shown(reference)}. search_history lists "
        "those that you may."
    )


def described(runtime: Runtime) -> str:
    """Return how a runtime is called in a sentence: so that another call can name it."""
    return runtime.name if len(runtime.name) <= NAME_CHARS else runtime.short_id


def _shown(reference: str) -> str:
    """Return what a model wrote as a sentence can carry it."""
    text = reference.encode("unicode_escape").decode("ascii") if not reference.isprintable() else ""
    return clipped(text or reference, _REFERENCE_CHARS)


def _bare(reference: str, noun: str) -> str:
    """Return the reference alone, where a model has copied the noun as well."""
    text = reference.strip().strip("`'\"")
    head, _, rest = text.partition(" ")
    return rest.strip() if head.lower() == noun and rest.strip() else text
