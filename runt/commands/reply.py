"""``runt reply``: answer an execution that waits for input."""

from __future__ import annotations

import os

import click

from runt import completing, jsonout, session, submission
from runt.ids import short
from runt.options import json_option, quiet_option


@click.command("reply")
@click.argument("execution", shell_complete=completing.executions("waiting_input"))
@click.argument("text", required=False)
@click.option("--eof", is_flag=True, help="End of file in place of a line.")
@quiet_option
@json_option
def command(execution: str, text: str | None, eof: bool, quiet: bool, as_json: bool) -> None:
    """Answer EXECUTION, which waits for input, with TEXT, or with what stdin has.

    On a terminal it asks as the code does, and what is typed for a password is not shown.
    """
    if text is None and not eof and os.isatty(0):
        text, eof = _typed(execution)
    if text is None:
        text = "" if eof else submission.read_stdin().removesuffix("\n")
    params: dict[str, object] = {"execution": execution, "value": text}
    if eof:
        params["eof"] = True
    session.call("execution.input", params)
    if as_json:
        jsonout.print_document("replied", execution)
    elif quiet:
        click.echo(short(execution))


def _typed(execution: str) -> tuple[str, bool]:
    """Return the line that is typed, and whether it was the end of file instead."""
    asks = session.call("execution.get", {"execution": execution, "outputs": False})["input"]
    if asks is None:
        return "", False  # the daemon says so
    try:
        if asks["password"]:
            from getpass import getpass

            return getpass(asks["prompt"]), False
        return input(asks["prompt"]), False
    except EOFError:
        return "", True
