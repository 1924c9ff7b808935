"""Options that say what an agent may see; `runt mcp` and `runt tools` have them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import click

from runt import completing, project

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtimed.mcp.sight import Scope

T = TypeVar("T")


def _options(prefix: str) -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            f"--{prefix}project",
            "project",
            type=click.Path(),
            metavar="DIR",
            help="Code runs in the runtime of this project, where none is named.",
        ),
        click.option(
            f"--{prefix}runtime",
            "runtimes",
            multiple=True,
            metavar="RUNTIME",
            shell_complete=completing.runtimes(),
            help="Let the agent use this runtime as well, whoever started it; repeatable.",
        ),
        click.option(
            f"--{prefix}all",
            "everything",
            is_flag=True,
            help="Let it use all runtimes that were started through runtimed.",
        ),
        click.option(
            f"--{prefix}read-only",
            "read_only",
            is_flag=True,
            help="Only tools that change nothing.",
        ),
        click.option(
            f"--{prefix}agent",
            "agent",
            metavar="NAME",
            help="What the agent is called, else what it calls itself.",
        ),
    )


def scope_options(function: Callable[..., T], prefix: str = "") -> Callable[..., T]:
    """Add the options; `scope_of` makes the scope of their values."""
    for option in reversed(_options(prefix)):
        function = option(function)
    return function


def scope_of(options: dict[str, Any]) -> Scope:
    """Return the scope that the options say."""
    from runtimed.mcp.sight import Scope

    directory = options["project"]
    return Scope(
        agent=options["agent"],
        runtimes=tuple(options["runtimes"]),
        project=None if directory is None else project.find(os.path.expanduser(directory)),
        everything=options["everything"],
        read_only=options["read_only"],
    )
