"""Handlers of the calls on environments."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Literal

from runtimed.api.environments import (
    Environment,
    EnvironmentList,
    EnvironmentPrepare,
    EnvironmentPrune,
    Prepared,
    PrunedEnvironment,
)
from runtimed.api.errors import Denied
from runtimed.environment_cache import name_of
from runtimed.kernels import launch
from runtimed.kernels.listing import list_environments
from runtimed.model.times import rfc3339
from runtimed.paths import UnsafePath
from runtimed.service.binding import Caller, serves
from runtimed.service.wishes import wish_of

if TYPE_CHECKING:
    from runtimed.environment_cache import Cache, Cached
    from runtimed.service.context import Context


@serves(EnvironmentList)
async def environment_list(context: Context, call: EnvironmentList) -> list[Environment]:
    env = launch.own_environment() if call.env is None else call.env
    return await list_environments(env, call.project, context.starter.finder)


@serves(EnvironmentPrepare)
async def environment_prepare(
    context: Context, call: EnvironmentPrepare, caller: Caller
) -> Prepared:
    wish = wish_of(call)
    provider = context.starter.environments
    recipe = await provider.recipe(wish)
    if recipe is None:
        return Prepared(status="not_needed", path=None, dependencies=[], python_version=None)
    if not provider.is_ready(recipe):
        who = caller.agent or caller.client
        provider.tell_failure(recipe, who)
        # Who waits here starts it next.
        under_way = context.starter.under_way.started_by(
            caller.requested_by, name_of(recipe.requirements)
        )
        with contextlib.suppress(TimeoutError), caller.waiting():
            async with under_way, asyncio.timeout(call.wait_s):
                await provider.build(recipe, wish.env, who)
    unready: Literal["waiting", "building"] = (
        "waiting" if provider.is_waiting(recipe) else "building"
    )
    return Prepared(
        status="ready" if provider.is_ready(recipe) else unready,
        path=provider.cache.path(recipe.key),
        dependencies=recipe.requirements,
        python_version=recipe.python_version,
        requires_python=wish.requires_python,
    )


@serves(EnvironmentPrune)
async def environment_prune(context: Context, call: EnvironmentPrune) -> list[PrunedEnvironment]:
    cache = context.starter.environments.cache
    before_s = time.time() - call.older_s
    try:
        cache.check()
    except (UnsafePath, OSError) as problem:
        raise Denied(detail=str(problem)) from problem
    gone: list[PrunedEnvironment] = []
    resisted: list[str] = []
    for cached in await asyncio.to_thread(cache.unused_since, before_s):
        # Anew for each: a removal takes seconds, in which kernels start.
        running = {
            row.environment
            for row in context.supervisor.rows.values()
            if row.environment is not None and row.status != "dead"
        }
        try:
            if await asyncio.to_thread(_goes, cache, cached, running, before_s, call.dry_run):
                gone.append(_pruned(cached))
        except OSError as error:
            resisted.append(f"{error.filename or cached.path} cannot be removed: {error.strerror}")
    if resisted:
        raise Denied(detail=f"{'; '.join(resisted[:3])} ({len(gone)} others were)")
    return gone


def _goes(cache: Cache, cached: Cached, running: set[str], before_s: float, dry_run: bool) -> bool:
    """Remove it, or say whether that could be done now. Raises `OSError`."""
    if os.path.realpath(cached.path) in {os.path.realpath(each) for each in running}:
        return False
    key = os.path.basename(cached.path)
    return cache.is_free(key) if dry_run else cache.remove(key, before_s)


def _pruned(cached: Cached) -> PrunedEnvironment:
    record = cached.record
    return PrunedEnvironment(
        name=cached.name,
        path=cached.path,
        python_version=record.python_version if record else None,
        size_bytes=record.size_bytes if record else None,
        used_at=None if cached.used_s is None else rfc3339(round(cached.used_s * 1000)),
    )
