"""What is different where an agent asks: what it starts stops by itself, and has limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.errors import Denied
from runtimed.api.runtimes import CalledOff, RuntimeCallOff, RuntimeShare
from runtimed.api.types import Limits, Runtime
from runtimed.kernels.clock import now_ms
from runtimed.kernels.terms import Terms
from runtimed.recorder import Batch
from runtimed.service.binding import Caller, serves
from runtimed.service.references import find_runtime
from runtimed.service.views import runtime_view

if TYPE_CHECKING:
    from runtimed.config import Config
    from runtimed.service.context import Context


def is_by(who: dict[str, Any] | None, name: str) -> bool:
    """Say whether somebody on the record is meant: an agent by its name, or a kind of client."""
    return who is not None and name in (who.get("client"), who.get("agent"))


def terms_of(
    context: Context,
    caller: Caller,
    *,
    idle_stop_s: float | None = None,
    limits: Limits | None = None,
) -> Terms:
    """Return the terms of a start: as the caller wants them, an agent within the settings."""
    config = context.supervisor.parts.config
    terms = Terms(started_by=caller.requested_by, idle_stop_s=idle_stop_s, limits=limits)
    return within_settings(terms, config) if caller.is_agent else terms


def within_settings(terms: Terms, config: Config) -> Terms:
    """Return an agent's terms; a setting that is 0 sets no limit.

    What an agent asks for may be less than the settings allow it, and not more.
    """
    wanted = terms.limits or Limits()
    idle_stop_s = less(terms.idle_stop_s, config.agent_idle_stop_s)
    execution_s = less(wanted.execution_s, config.agent_time_limit_s)
    output_bytes = less(wanted.output_bytes, config.agent_output_limit_bytes)
    notices = tuple(
        f"{name} is {got:.10g} and not {asked:.10g}: the setting {setting} allows agents no more"
        for name, setting, asked, got in (
            ("idle_stop_s", "agent_idle_stop_s", terms.idle_stop_s, idle_stop_s),
            ("execution_s", "agent_time_limit_s", wanted.execution_s, execution_s),
            ("output_bytes", "agent_output_limit_bytes", wanted.output_bytes, output_bytes),
        )
        if asked is not None and got is not None and got != asked
    )
    limits = msgspec.structs.replace(wanted, execution_s=execution_s)
    if config.agent_time_limit_s and wanted.on_execution_s == "detach":
        # Detached code runs on: the setting would limit how long it is waited for, and no more.
        # What was to end the waiting only is no reason to end the code earlier.
        limits.on_execution_s = "interrupt"
        limits.execution_s = config.agent_time_limit_s
        what = f"on_execution_s is interrupt and not detach, after {limits.execution_s:.10g} s"
        notices += (f"{what}: the setting agent_time_limit_s lets nothing of agents run on",)
    limits.output_bytes = None if output_bytes is None else int(output_bytes)
    return replace(terms, idle_stop_s=idle_stop_s, limits=limits, notices=terms.notices + notices)


def less(wanted: float | None, most: float) -> float | None:
    """Return the lesser of what is wanted (None: as much as can be) and the most (0: no limit)."""
    if not most:
        return wanted
    return most if wanted is None else min(wanted, most)


@serves(RuntimeCallOff)
async def runtime_call_off(context: Context, call: RuntimeCallOff) -> CalledOff:
    starts = context.starter.under_way.call_off(lambda who: is_by(who, call.by))
    return CalledOff(starts=starts)


@serves(RuntimeShare)
async def runtime_share(context: Context, call: RuntimeShare, caller: Caller) -> Runtime:
    if caller.is_agent:
        detail = "an agent cannot say what agents see; a person can, by `runt share`"
        raise Denied(detail=detail)
    row = find_runtime(context, call.runtime, exact=True)
    if row.shared != call.shared:
        row.shared = call.shared
        batch = Batch(now_ms())
        batch.runtimes[row.id] = row
        batch.event("runtime", row.id, None, runtime_view(context, row))
        try:
            context.supervisor.parts.recorder.commit(batch)
        except BaseException:
            row.shared = not call.shared
            raise
    return runtime_view(context, row)
