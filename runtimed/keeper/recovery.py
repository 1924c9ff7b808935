"""Take a runtime over from a keeper that died."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runtimed.cgroups import kernel_scope
from runtimed.keeper.endpoints import CHANNELS
from runtimed.keeper.facts import Phase
from runtimed.keeper.identity import Identity, find_by_argument
from runtimed.wire.journal import Event

if TYPE_CHECKING:
    from runtimed.keeper.runtime import Runtime
    from runtimed.keeper.successor import Legacy


def recover(runtime: Runtime, legacy: Legacy, *, is_planned: bool) -> None:
    """Read the journal back, say what was missed, and connect again if the kernel lives.

    With ``is_planned`` the runtime was handed over by a keeper that lived until now.
    """
    runtime.environment = legacy.environment
    runtime.has_had_heartbeat = legacy.has_had_heartbeat
    tail = runtime.journal.recover(
        lambda record: runtime.facts.apply(record.kind, record.meta, record.frames)
    )
    if not tail.exists:
        return
    if tail.torn_bytes:
        runtime.event(Event.GAP, reason="torn_tail", bytes=tail.torn_bytes)
    if runtime.facts.phase == Phase.SPAWNING:
        _recover_spawning(runtime)
    if runtime.facts.phase == Phase.RUNNING:
        _recover_running(runtime, tail.last_at_ns, legacy, is_planned)
    if runtime.facts.phase == Phase.EXITED:
        runtime.journal.close()


def _recover_spawning(runtime: Runtime) -> None:
    """The old keeper died between announcing a process and knowing its pid."""
    file = runtime.facts.connection_file or ""
    identity = find_by_argument(file) if file else None
    if identity is None:
        runtime.exited("not_started")
        return
    runtime.event(
        Event.SPAWNED,
        pid=identity.pid,
        start_time=identity.start_time,
        boot_id=identity.boot_id,
        scope=scope.unit if (scope := kernel_scope(identity.pid, runtime.id)) else None,
        argv=runtime.facts.argv,
        cwd=runtime.facts.cwd,
        connection_file=file,
        stdout=runtime.facts.stdout,
        stderr=runtime.facts.stderr,
    )


def _recover_running(runtime: Runtime, last_at_ns: int, legacy: Legacy, is_planned: bool) -> None:
    facts, overheard = runtime.facts, legacy.overheard
    identity = None
    if facts.pid is not None:
        identity = Identity(facts.pid, facts.start_time or 0, facts.boot_id or "")
        # One that has died since is to be heard out.
        if overheard is None and not identity.is_alive():
            if facts.has_unanswered:  # what it said of that, nobody heard
                _note_absence(runtime, last_at_ns)
            runtime.exited("unknown", pid=facts.pid)
            runtime.discard_endpoints()
            return
    elif not facts.channels:
        return
    if not is_planned or (overheard is not None and not overheard.is_complete):
        _note_absence(runtime, last_at_ns)
    # What is running answers on shell and may ask on stdin: these must not wait for a dispatch.
    channels = CHANNELS if facts.launched or facts.has_unanswered else facts.channels
    runtime.open(
        facts.connection_file or "",
        identity,
        facts.launched,
        channels or ("iopub", "control"),
        reason="keeper_succeeded" if is_planned else "keeper_restarted",
        overheard=overheard,
        ip=facts.ip,
    )
    runtime.environment = legacy.environment or runtime.environment


def _note_absence(runtime: Runtime, last_at_ns: int) -> None:
    runtime.event(Event.GAP, reason="keeper_down", from_ns=last_at_ns, to_ns=time.time_ns())
