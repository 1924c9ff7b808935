"""The reference page of the command line, made from the commands: ``python -m runt.reference``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from runt.group import VERBS, group

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# Command line

Made from the commands by `python -m runt.reference`; change them, not this page.

`runt` is a client: each verb is one call of the API. On every verb, `--json` prints
`{"schema": 1, "<noun>": …}` (`attach`: one line an event) and nothing else on stdout, `-q` ids
only. Tables are for terminals; a pipe gets tabs and one header line. Colours are for terminals
too, unless `NO_COLOR` is set. A runtime is called by its id, short id, name, pid, kernel id,
connection file or notebook's path; where nothing is destroyed a unique prefix will do.

A kernel that is started gets the caller's environment, less what belongs to the session:
{session}.
"""


def page() -> str:
    """Return the page, Markdown."""
    from runtimed.environ import NAMES, PREFIXES, SESSION

    names = [*sorted(SESSION | NAMES), *(f"{prefix}*" for prefix in PREFIXES)]
    head = _HEAD.replace("{session}", ", ".join(f"`{name}`" for name in names))
    parent = click.Context(group, info_name="runt")
    parts = [head]
    for verb in VERBS:
        command = group.get_command(parent, verb)
        assert command is not None  # noqa: S101 (every verb has one; tested)
        parts += _sections(click.Context(command, parent, verb))
    return "\n".join(parts)


def _sections(ctx: click.Context) -> Iterator[str]:
    """Yield the section of a verb, and those of its own verbs if it has any."""
    yield "\n".join(_section(ctx))
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command is not None  # noqa: S101 (it is on the list)
            yield from _sections(click.Context(command, ctx, name))


def _section(ctx: click.Context) -> Iterator[str]:
    command = ctx.command
    yield f"## {ctx.command_path}\n"
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    yield f"    {usage}\n"
    yield f"{_text(command.help)}\n"
    options = [p for p in command.params if isinstance(p, click.Option)]
    if options:
        yield "| option | |\n| --- | --- |"
    for option in options:
        if record := option.get_help_record(ctx):
            flags, help = record[0].replace("|", "\\|"), " ".join(record[1].split())
            yield f"| `{flags}` | {help} |"
    if command.epilog:
        yield f"\n{command.epilog}"
    yield ""


def _text(help: str | None) -> str:
    return "\n".join(line.strip() for line in (help or "").strip().splitlines())


if __name__ == "__main__":
    sys.stdout.write(page())
