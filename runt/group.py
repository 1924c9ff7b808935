"""The click group: verbs, in the order of the help, each loaded when it is used."""

from __future__ import annotations

import importlib
import sys

import click

from runt import exits, session
from runtimed import __version__

#: Verb → module and name of its command. The order is that of ``runt --help``.
VERBS = {
    "ps": "ps",
    "start": "start",
    "stop": "stop",
    "kill": "kill",
    "restart": "restart",
    "interrupt": "interrupt",
    "rename": "rename",
    "rm": "rm",
    "prune": "prune",
    "logs": "logs",
    "run": "run",
    "eval": "eval",
    "submit": "submit",
    "wait": "wait",
    "cancel": "cancel",
    "output": "output",
    "show": "show",
    "attach": "attach",
    "reply": "reply",
    "history": "history",
    "search": "search",
    "export": "export",
    "rerun": "rerun",
    "pin": "pin",
    "unpin": "unpin",
    "vars": "vars",
    "share": "share",
    "record": "record",
    "forget": "forget",
    "gc": "gc",
    "notebook": "notebook",
    "environments": "environments",
    "config": "config",
    "service": "service",
    "serve": "serve",
    "mcp": "mcp",
    "tools": "tools",
    "doctor": "doctor",
    "status": "status",
    "socket": "socket",
    "call": "call",
    "completion": "completion",
    "help": "help",
}

#: Names from earlier runts; they work and are not listed.
ALIASES = {"exec": "submit", "get-results": "output"}

#: What a shell's completion runs, with the words that stand there after it. No verb of an earlier
#: runt's: that one refuses it, where words alone would be done.
_COMPLETES = "__complete"


class Verbs(click.Group):
    """Loads the module of a verb when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = ALIASES.get(cmd_name, cmd_name)
        if verb not in VERBS:
            return None
        command = importlib.import_module(f"runt.commands.{VERBS[verb]}").command
        assert isinstance(command, click.Command)  # noqa: S101 (every module has one; tested)
        return command


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
@click.version_option(__version__, message="runt %(version)s")
def group() -> None:
    """Keep REPLs alive, run code in them, and look up what came of it."""


def run(argv: list[str]) -> int:
    """Run a command line through click, and return the exit code."""
    if argv[:1] == [_COMPLETES]:
        from runt.completing import answer

        return answer(group, argv[1:])
    try:
        return session.guarded(lambda: _invoke(argv))
    except click.Abort:
        return exits.INTERRUPTED
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return error.exit_code


def _invoke(argv: list[str]) -> int | None:
    """Invoke without `click.Command.main`, which has its own idea of a closed stdout."""
    with group.make_context("runt", argv) as ctx:
        result: int | None = group.invoke(ctx)
        return result
