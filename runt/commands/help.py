"""``runt help``: what a verb does, or what there is to know about a topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runt import jsonout
from runt.agents_page import PAGE
from runt.failures import NotFoundFailure
from runt.options import json_option, quiet_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

TOPICS = {
    "agents": PAGE,
    "recording": """\
What runs in the kernels of this user is written down, whoever runs it, with its code, its outputs
and how it ended: in a notebook, in a console, through runt. It is kept on this machine, in the
state directory that `runt status` shows, readable by you alone, and is never sent anywhere.

  runt history                    what was run, newest first
  runt record off RUNTIME         keep nothing of what others run in it from now on
  runt record off --dir PATH      nor in any kernel that works below PATH, now and later
  runt record off                 nor anywhere
  runt record metadata RUNTIME    keep when it ran and how it ended, no code, no outputs
  runt record all RUNTIME         keep everything again
  runt forget RUNTIME             delete what is kept already; --since 2h: of the last two hours

The setting `record` (runt config set record all|metadata|off) says what holds where nothing else
was said.
What is run through runt and runtimed itself is always kept. Answers to password prompts and the
values of environment variables never are.
""",
}


def _complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem | str]:
    group = ctx.find_root().command
    assert isinstance(group, click.Group)  # noqa: S101 (runt is one)
    words = [*TOPICS, *group.list_commands(ctx)]
    return [word for word in words if word.startswith(incomplete)]


@click.command("help")
@click.argument("topic", required=False, shell_complete=_complete)
@quiet_option
@json_option
def command(topic: str | None, quiet: bool, as_json: bool) -> None:
    """Tell about a verb, or about a TOPIC: agents, recording."""
    text = _text(click.get_current_context().find_root(), topic)
    if as_json:
        jsonout.print_document("help", text)
    elif not quiet:
        click.echo(text)


def _text(root: click.Context, topic: str | None) -> str:
    if topic is None:
        return root.get_help()
    if topic in TOPICS:
        return TOPICS[topic].rstrip("\n")
    group = root.command
    assert isinstance(group, click.Group)  # noqa: S101 (runt is one)
    verb = group.get_command(root, topic)
    if verb is None:
        raise NotFoundFailure(
            f"there is no help on {topic}: no verb, no topic ({', '.join(TOPICS)})"
        )
    return verb.get_help(click.Context(verb, root, info_name=topic))
