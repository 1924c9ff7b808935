"""``runt notebook``: notebooks that the daemon holds; each verb is loaded when it is used."""

from __future__ import annotations

import importlib

import click

#: In the order of the help; each is a module of this package.
VERBS = ("list", "open", "run", "show", "export", "save", "rename", "close")


class Verbs(click.Group):
    """Loads the module of a verb when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS]  # `list` is a module here

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"runt.commands.notebook.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 (every module has one; tested)
        return command


@click.command("notebook", cls=Verbs, no_args_is_help=True)
def command() -> None:
    """Open notebooks, run them, and look at what came of it.

    A NOTEBOOK is named by its id, its short id, its name, or the path of its file. What is open
    is the daemon's: its cells, and what they ran, are there for all clients until it is closed.
    """
