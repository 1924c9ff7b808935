"""``runt tools``: the tools of ``runt mcp``, for models without MCP."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click

from runt import exits, jsonout
from runt.failures import UsageFailure
from runt.options import json_option, quiet_option

if TYPE_CHECKING:
    from typing import Any

#: In the order of the help; each is a module of this package.
VERBS = ("call",)
_FORMATS = ("openai", "openai-responses", "anthropic")


class Verbs(click.Group):
    """Loads the module of a verb when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"runt.commands.tools.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 (every module has one; tested)
        return command


@click.command("tools", cls=Verbs, invoke_without_command=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="Print what an API takes as `tools`: OpenAI's Chat Completions, which Ollama, vLLM and "
    "llama.cpp speak too, OpenAI's Responses, or Anthropic's Messages.",
)
@click.option("--strict", is_flag=True, help="In the form that OpenAI's strict decoding takes.")
@click.option("--read-only", is_flag=True, help="Only those that change nothing.")
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, form: str | None, strict: bool, read_only: bool, quiet: bool, as_json: bool
) -> int | None:
    """List the tools for language models, those of `runt mcp`; `runt tools call` calls one.

    A program that has a model prints them with --format, gives them to the model's API, and has
    each call that the model makes done by `runt tools call NAME JSON`.
    """
    if ctx.invoked_subcommand is not None:
        if form or strict or read_only or quiet or as_json:
            raise UsageFailure(f"options go behind it: `runt tools {ctx.invoked_subcommand} …`")
        return None
    _check(form, strict=strict, quiet=quiet, as_json=as_json)
    from runtimed.mcp import schemas
    from runtimed.mcp.definitions import offered

    tools = offered(read_only=read_only)
    if form is not None:
        how: dict[str, Any] = {"strict": True} if strict else {}
        jsonout.print_bare(schemas.FORMATS[form](tools, **how))
    elif as_json:
        jsonout.print_document("tools", schemas.neutral(tools))
    else:
        for tool in tools:
            first = tool.description.partition(". ")[0]
            click.echo(tool.name if quiet else f"{tool.name:20} {first.removesuffix('.')}.")
    return exits.OK


def _check(form: str | None, *, strict: bool, quiet: bool, as_json: bool) -> None:
    for name, is_given in (("--quiet", quiet), ("--json", as_json)):
        if form and is_given:
            raise UsageFailure(f"--format and {name} exclude each other")
    if quiet and as_json:
        raise UsageFailure("--quiet and --json exclude each other")
    if strict and form not in ("openai", "openai-responses"):
        raise UsageFailure(
            "--strict is for --format openai and openai-responses; Anthropic's strict decoding "
            "takes fewer optional arguments than the tools have"
        )
