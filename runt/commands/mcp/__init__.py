"""``runt mcp``: the MCP server on stdin and stdout; its verbs are loaded when they are used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click

from runt.commands.mcp.scope import scope_of, scope_options
from runt.failures import UsageFailure

if TYPE_CHECKING:
    from typing import Any

#: In the order of the help; each is a module of this package.
VERBS = ("install", "uninstall")


class Verbs(click.Group):
    """Loads the module of a verb when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"runt.commands.mcp.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 (every module has one; tested)
        return command


@click.command("mcp", cls=Verbs, invoke_without_command=True)
@scope_options
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Serve an MCP client on stdin and stdout: tools for language models.

    Hosts such as Claude Code and Cursor start this; `runt mcp install` tells them how. The client
    sees the runtimes that it started, those of --project and --runtime, and those that you share
    with `runt share`; of all else it learns nothing. What it runs goes on where it hangs up.
    """
    if ctx.invoked_subcommand is not None:
        if any(options.values()):
            raise UsageFailure(f"options go behind it: `runt mcp {ctx.invoked_subcommand} …`")
        return
    import asyncio
    import signal

    from runtimed.mcp.stdio import serve

    # A thread waits for stdin, which would keep an interrupted process: nothing is lost by ending.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(serve(scope_of(options)))
