"""``runt tools call``: do what a model asks for, and print what it is told."""

from __future__ import annotations

import sys
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from runt import exits, jsonout, session
from runt.commands.mcp.scope import scope_of, scope_options
from runt.failures import NotFoundFailure, UsageFailure
from runt.options import json_option

if TYPE_CHECKING:
    from typing import Any

    from click.shell_completion import CompletionItem

    from runtimed.mcp.answer import Answer

#: What the record has of agents that say no name.
_NO_NAME = "runt-tools"
#: Those that tell of an execution end with its exit code; the others did what was asked.
_FOLLOWING = ("run_code", "wait_execution", "send_input")


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from runtimed.mcp.definitions import TOOLS

    return [
        CompletionItem(tool.name, help=tool.title)
        for tool in TOOLS
        if tool.name.startswith(incomplete)
    ]


@click.command("call")
@click.argument("tool", metavar="NAME", shell_complete=_names)
@click.argument("arguments", metavar="[JSON]", required=False, default="")
@scope_options
@click.option("--save-images", metavar="DIR", help="Write the images that it drew as files there.")
@json_option
def command(
    tool: str, arguments: str, save_images: str | None, as_json: bool, **options: Any
) -> int:
    """Call a tool with the arguments that a model wrote, and print the answer for the model.

    JSON is an object of arguments, `-` for stdin, or `@FILE`. What the tool refuses is said on
    stdout too, as that is what the model reads. Ctrl-C interrupts what runs; SIGTERM leaves it
    running.

    The exit code is that of `runt eval`: 0, 1 if the code raised or the tool refuses, 2 for wrong
    arguments, 3 for what is not there or not in sight, 5 no daemon, 8 the kernel died, 124 it runs
    on, 130 interrupted.
    """
    import asyncio

    from runtimed.mcp import once

    if save_images == "":
        raise UsageFailure("--save-images is empty")
    scope = scope_of(options)
    scope = replace(scope, agent=scope.agent or session.agent() or _NO_NAME)
    answer = asyncio.run(once.call(scope, tool, _read(arguments)))
    saved = _saved(answer, save_images)
    if as_json:
        jsonout.print_document("answer", _document(answer, saved))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(f"{answer.text}\n".encode("utf-8", "replace"))
        for image in saved or ():
            click.echo(f"saved {image['path']}", err=True)
    return _exit_code(tool, answer)


def _read(arguments: str) -> str:
    """Return the JSON. Raises `NotFoundFailure`, or `UsageFailure` where it is no text."""
    try:
        if arguments == "-":
            return sys.stdin.buffer.read().decode()
        if arguments.startswith("@"):
            with open(arguments[1:], "rb") as file:
                return file.read().decode()
    except OSError as error:
        raise NotFoundFailure(f"{arguments[1:]}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageFailure("the arguments are not UTF-8") from None
    return arguments


def _saved(answer: Answer, directory: str | None) -> list[dict[str, Any]] | None:
    if directory is None:
        return None
    if answer.execution is None:
        return []
    from runt.image_files import save

    return save(answer.execution, directory)


def _document(answer: Answer, saved: list[dict[str, Any]] | None) -> dict[str, Any]:
    from runtimed.mcp.answer import Image

    blocks = [
        {"type": "image", "mime": block.mime, "data": b64encode(block.data).decode("ascii")}
        if isinstance(block, Image)
        else {"type": "text", "text": block.text}
        for block in answer.blocks
    ]
    document: dict[str, Any] = {
        "is_error": answer.is_error,
        "execution": answer.execution,
        "status": answer.status,
        "blocks": blocks,
    }
    return document if saved is None else document | {"images": saved}


def _exit_code(tool: str, answer: Answer) -> int:
    if answer.exit_code is not None:
        return answer.exit_code
    if answer.status is None or tool not in _FOLLOWING:
        return exits.CODE_RAISED if answer.is_error else exits.OK
    if answer.status != "error":
        return exits.BY_STATUS.get(answer.status, exits.WAIT_EXPIRED)
    # sys.exit(0) is none; only what was raised tells.
    params = {"execution": answer.execution, "max_chars": 200}
    error = session.call_again("execution.render", params)["error"] or {}
    return exits.of_execution(answer.status, error.get("ename"), error.get("evalue"))
