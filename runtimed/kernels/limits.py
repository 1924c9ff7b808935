"""How much of the machine a kernel may use, and whether what was asked for is in force.

https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from runtimed.api.types import Limits
from runtimed.host import ON_LINUX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runtimed.cgroups import KernelScope

#: How far a share of the processors may be from what was asked: systemd counts in 1/10,000.
_CPU_TOLERANCE = 0.01


def limits_of(launch: Mapping[str, Any]) -> Limits | None:
    """Return the limits that a runtime was started with."""
    stored = launch.get("limits")
    return None if stored is None else msgspec.convert(stored, Limits)


def wanted(limits: Limits | None) -> Limits | None:
    """Return the limits, None if none of them is set."""
    if limits is None or (confining(limits) is None and not limits_executions(limits)):
        return None
    return limits


def confining(limits: Limits | None) -> Limits | None:
    """Return the limits if any of them is the kernel's process's, else None."""
    if limits is None or (limits.memory_bytes, limits.cpus, limits.tasks) == (None, None, None):
        return None
    return limits


def limits_executions(limits: Limits | None) -> bool:
    """Say whether any of the limits is one of what is executed."""
    return limits is not None and (limits.execution_s, limits.output_bytes) != (None, None)


def properties(limits: Limits) -> list[str]:
    """Return the properties of a scope that limit it."""
    found = []
    if limits.memory_bytes is not None:
        found.append(f"MemoryMax={limits.memory_bytes}")
    if limits.cpus is not None:
        found.append(f"CPUQuota={limits.cpus * 100:.2f}%")
    if limits.tasks is not None:
        found.append(f"TasksMax={limits.tasks}")
    return found


def names(limits: Limits) -> str:
    """Return the options of ``runt start`` that ask for them."""
    values = {"--memory": limits.memory_bytes, "--cpus": limits.cpus, "--tasks": limits.tasks}
    return ", ".join(name for name, value in values.items() if value is not None)


def why_not_soft(limits: Limits) -> str | None:
    """Return why a process cannot be limited so by itself (setrlimit(2)), None if it can."""
    if limits.cpus is not None:
        return "a process has no limit of its own for processors, so --cpus cannot be a soft limit"
    if not ON_LINUX:
        return "soft limits are known for Linux only"
    if limits.tasks is not None and os.getuid() == 0:
        return "the soft limit of tasks is RLIMIT_NPROC, which does not hold for root"
    return None


def why_not_in_force(limits: Limits, scope: KernelScope | None) -> str | None:
    """Return which limits do not hold in the kernel's scope, None if all do."""
    if scope is None:
        return f"it has no control group of its own, which {names(limits)} takes{instead(limits)}"
    missing, others = [], []
    for controller, file, limit, holds in (
        ("memory", "memory.max", limits.memory_bytes, _is_memory),
        ("cpu", "cpu.max", limits.cpus, _is_cpus),
        ("pids", "pids.max", limits.tasks, _is_tasks),
    ):
        value = scope.value(file) if limit is not None else ""
        if value is None:
            missing.append(f"{controller} ({file})")
        elif limit is not None and not holds(limits, value):
            others.append(f"{file} is {value!r}")
    if missing:
        controllers = "controller is" if len(missing) == 1 else "controllers are"
        listed = " and ".join(missing)
        return f"here the {listed} {controllers} not the service manager's to use{instead(limits)}"
    return f"in its control group {' and '.join(others)}" if others else None


def instead(limits: Limits) -> str:
    """Return what to say of soft limits where these do not hold: begins with a semicolon."""
    if limits.memory_bytes is None and limits.tasks is None:
        return ""
    without = "" if limits.cpus is None else ", without --cpus,"
    return f"; --soft-limits{without} has the process limited by itself instead"


def _is_memory(limits: Limits, value: str) -> bool:
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    return value == str((limits.memory_bytes or 0) // page_bytes * page_bytes)


def _is_cpus(limits: Limits, value: str) -> bool:
    quota, _, period = value.partition(" ")
    if not (quota.isdecimal() and period.isdecimal() and limits.cpus):
        return False
    return abs(int(quota) / int(period) / limits.cpus - 1) <= _CPU_TOLERANCE


def _is_tasks(limits: Limits, value: str) -> bool:
    return value == str(limits.tasks)
