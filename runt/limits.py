"""The options that limit what a kernel may use, and the parameters that they become."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import click

from runt.commands.evaluate_options import MOST_S
from runt.failures import UsageFailure

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: As systemd has them: powers of 1024 (systemd.resource-control(5)).
_SUFFIXES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:iB)?", re.IGNORECASE | re.ASCII)
_MOST_BYTES = 2**62
_TIMES = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|)", re.IGNORECASE | re.ASCII)


class Size(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """A size in bytes; ``2G`` is 2 GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is not a size, such as 512M or 2G.", param, ctx)
        size_bytes = int(float(found[1]) * _SUFFIXES[found[2].upper()])
        if not 1 <= size_bytes <= _MOST_BYTES:
            self.fail(f"{value} is not from 1 byte to {_MOST_BYTES} bytes.", param, ctx)
        return size_bytes


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """A time that is not none, in seconds; ``5m`` is five minutes."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        found = _TIME.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is not a time, such as 60s, 5m or 2h.", param, ctx)
        time_s = float(found[1]) * _TIMES[found[2].lower()]
        if not 0 < time_s <= MOST_S:
            self.fail(f"{value} is not more than 0, and ten years at most.", param, ctx)
        return time_s


_OPTIONS = (
    click.option(
        "--memory",
        type=Size(),
        metavar="SIZE",
        help="The memory that it and what it starts may use together, such as 2G (GiB).",
    ),
    click.option(
        "--cpus",
        type=click.FloatRange(0.01, 100_000),
        metavar="NUMBER",
        help="The processors that they may use, such as 1.5.",
    ),
    click.option(
        "--tasks",
        type=click.IntRange(1, 2**31),
        metavar="NUMBER",
        help="How many processes and threads they may be.",
    ),
    click.option(
        "--soft-limits",
        is_flag=True,
        help="Limit each process's address space, and the number of all of your processes, "
        "instead: where there are no control groups.",
    ),
    click.option(
        "--time-limit",
        type=Duration(),
        metavar="TIME",
        help="Interrupt what runs for longer than, say, 60s, 5m or 2h.",
    ),
    click.option(
        "--on-time-limit",
        type=click.Choice(["interrupt", "detach"]),
        help="detach: leave it running, and have nobody wait for it.",
    ),
    click.option(
        "--output-limit",
        type=Size(),
        metavar="SIZE",
        help="Interrupt what puts out more than, say, 50M (MiB).",
    ),
)
#: Which limit each option is; the first three are the process's.
_OF_PROCESS = {"memory_bytes": "memory", "cpus": "cpus", "tasks": "tasks"}
_OF_EXECUTIONS = {
    "execution_s": "time_limit",
    "on_execution_s": "on_time_limit",
    "output_bytes": "output_limit",
}


def limit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that limit a kernel."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def limit_parameters(options: dict[str, Any]) -> dict[str, object]:
    """Return the parameters of ``runtime.start`` for these options; none without a limit."""
    found = {name: options[option] for name, option in {**_OF_PROCESS, **_OF_EXECUTIONS}.items()}
    limits = {name: value for name, value in found.items() if value is not None}
    if "on_execution_s" in limits and "execution_s" not in limits:
        raise UsageFailure("--on-time-limit is for --time-limit, which is not given")
    if options["cpus"] is not None and math.isnan(options["cpus"]):
        raise UsageFailure("--cpus is no number")
    if not options["soft_limits"]:
        return {"limits": limits} if limits else {}
    if not _OF_PROCESS.keys() & limits.keys():
        raise UsageFailure("--soft-limits is for --memory and --tasks; neither is given")
    if "cpus" in limits:
        raise UsageFailure("--cpus has no soft limit: a process has none for processors")
    return {"limits": {**limits, "soft": True}}
