"""``runt search``: find what was run, by its words, best first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from runt import completing, jsonout, render, session
from runt.commands.history import filter_parameters, first_line, time_of, who
from runt.ids import short
from runt.options import by_option, json_option, quiet_option, whose_option
from runt.shows import takes_colour

if TYPE_CHECKING:
    from typing import Any

#: Where a mark begins and ends: on a terminal it is bold.
_BOLD, _PLAIN = "\x1b[1m", "\x1b[22m"


@click.command("search")
@click.argument("words", nargs=-1, required=True, metavar="QUERY...")
@click.option(
    "--runtime",
    "-r",
    metavar="RUNTIME",
    help="Only of this runtime.",
    shell_complete=completing.runtimes("all"),
)
@click.option(
    "--status", multiple=True, metavar="STATUS", help="Only in this status; may be repeated."
)
@click.option("--since", metavar="WHEN", help="Only from then on: RFC 3339, or how long ago (2d).")
@click.option("--until", metavar="WHEN", help="Only before: as --since.")
@whose_option
@by_option
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    metavar="N",
    help="So many at most.",
)
@quiet_option
@json_option
def command(
    words: tuple[str, ...],
    runtime: str | None,
    number: int,
    quiet: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Find executions by the words of their code, errors and text output, best first.

    All words must be there, in whatever case and order; "in quotes" next to each other (quoted
    once more for the shell), and begin* is every word that begins so. Signs separate words; of
    Chinese and Japanese a whole run of characters is one word, which its first two and * find.
    The newest 500 that match are ranked: code counts more than output, and what is new more.
    """
    params = {"query": " ".join(words), "limit": number, **filter_parameters(**filters)}
    if runtime is not None:
        params["runtime"] = runtime
    found = session.call_again("execution.search", params)
    if as_json:
        jsonout.print_document("found", found)
        return
    ids = [short(each["execution"]["id"]) for each in found]
    text = (
        "".join(f"{id}\n" for id in ids)
        if quiet
        else "\n".join(_shown(each, is_bold=takes_colour(1)) for each in found)
    )
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


def _shown(found: dict[str, Any], *, is_bold: bool) -> str:
    """Return what is shown of one: a line that says which, and its snippets below."""
    execution = found["execution"]
    runtime = execution["runtime"].get("notebook") or execution["runtime"]["name"]
    head = (short(execution["id"]), time_of(execution), runtime, execution["status"])
    lines = ["  ".join(render.printable(word) for word in (*head, who(execution)))]
    if not any(snippet["where"] == "code" for snippet in found["snippets"]):
        lines.append(f"    {render.printable(first_line(execution))}")
    lines += [_snippet(snippet, is_bold=is_bold) for snippet in found["snippets"]]
    return "\n".join(lines) + "\n"


def _snippet(snippet: dict[str, Any], *, is_bold: bool) -> str:
    """Return a snippet on one line; what was found is bold on a terminal."""
    text, at, parts = snippet["text"], 0, []
    begin, end = (_BOLD, _PLAIN) if is_bold else ("", "")
    for first, last in snippet["marks"]:
        parts += [_on_one_line(text[at:first]), begin, _on_one_line(text[first:last]), end]
        at = last
    shown = "".join([*parts, _on_one_line(text[at:])]).strip()
    return f"    {shown}" if snippet["where"] == "code" else f"    {snippet['where']}: {shown}"


def _on_one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
