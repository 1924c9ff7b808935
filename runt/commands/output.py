"""``runt output``: the text that an execution put out."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any

import click

from runt import completing, jsonout, presenting, session
from runt.failures import UsageFailure
from runt.ids import short
from runt.options import (
    PRESENTATION,
    Seconds,
    json_option,
    presentation_options,
    quiet_option,
)
from runt.shows import gap_sentence, removed_sentence, takes_colour
from runtimed.model.text import without_ansi

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Lines of a page where all are printed: the most that the daemon gives at once.
_PAGE_LINES = 100_000


@click.command("output")
@click.argument("execution", shell_complete=completing.executions())
@click.option("--tail", type=click.IntRange(min=1), metavar="N", help="Only the last N lines.")
@click.option("--grep", metavar="REGEX", help="Only lines that match (Python re), colours aside.")
@click.option("--lines", type=click.IntRange(1, 100_000), metavar="N", help="N lines at most.")
@click.option("--cursor", type=click.IntRange(min=0), metavar="N", help="Begin at line N.")
@click.option("--mime", metavar="TYPE", help="Show rich outputs as this type where they have it.")
@click.option("--wait", type=Seconds(), metavar="SECONDS", help="Wait so long at most for its end.")
@presentation_options
@quiet_option
@json_option
def command(
    execution: str, wait: float | None, quiet: bool, as_json: bool, **options: Any
) -> int | None:
    """Print what EXECUTION has put out so far, as text.

    With --lines one page, and its --json tells the cursor of the next; else all that is wanted.
    Colours, and whatever else is an ANSI sequence, are for terminals and for --json. Where output
    did not reach us, stderr says so. With --format or --max-chars it is as `runt eval` prints it;
    with --max-chars and some lines, these fit: of a long one there is what is around the match.

    With --wait it exits as `runt eval` would have.
    """
    form = {name: options.pop(name) for name in PRESENTATION}
    form["json"] = as_json
    filters = {name: value for name, value in options.items() if value is not None}
    presenting.check(form)
    in_form = form["format"] is not None or (form["max_chars"] is not None and not filters)
    if in_form and (filters or quiet):
        other = "quiet" if quiet else next(iter(filters))
        form_option = "--max-chars is for text" if quiet else "--format is for all of it"
        raise UsageFailure(f"{form_option}; --{other} is not")
    if in_form and presenting.fits(form):
        shown = presenting.present(execution, form | {"wait_s": wait}, remarks=True)
        return None if wait is None else shown
    code = presenting.wait(execution, wait) if wait is not None else None
    if in_form:
        presenting.present(execution, form, remarks=True)
    else:
        if form["save_images"]:
            presenting.present(execution, form | {"json": False, "max_chars": None})
        how = {"quiet": quiet, "as_json": as_json}
        if form["max_chars"] is None or quiet:
            _pages(execution, filters, **how)
        else:
            _fitting(execution, filters, form["max_chars"], as_json=as_json)
    return code


def _fitting(execution: str, filters: dict[str, Any], max_chars: int, *, as_json: bool) -> None:
    """Print the lines that were asked for as one text that fits."""
    from runt.fitting import Fitting

    fitting = Fitting(max_chars, filters.get("grep"))
    for page in _read(execution, filters):
        fitting.add(page["lines"])
    fitting.add([page["unfinished"]] if page.get("unfinished") else [])
    text, is_complete = fitting.ended()
    if as_json:
        fits = {"lines": text.splitlines(), "unfinished": None, "is_complete": is_complete}
        jsonout.print_document("output", {**page, **fits})
        return
    _echo(f"{text}\n" if text else "")
    _say_what_is_missing(page)
    if not is_complete:
        some = "a larger --max-chars" if "grep" in filters else "--grep REGEX"
        more = f"{some} shows what is around a match, no --max-chars all of them"
        click.echo(f"runt: not all of these lines fit: {more}", err=True)


def _read(execution: str, filters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the one page that was asked for, or one after the other."""
    params = {"execution": execution, "lines": _PAGE_LINES, **filters}
    page = session.call("execution.output", params)
    if page.get("earlier") and "lines" not in filters:
        yield from _long_tail(params, page)
        return
    yield page
    while page["more"] and not ("lines" in filters or "tail" in filters):
        page = session.call("execution.output", {**params, "cursor": page["cursor"]})
        yield page


def _long_tail(params: dict[str, Any], last: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the last lines, which are more than ``last``, their page, has."""
    tail, end = params.pop("tail"), last["cursor"]
    cursor = params.get("cursor", 0)
    matching: deque[str] | None = deque(maxlen=tail) if "grep" in params else None
    if matching is None:
        cursor = max(cursor, end - tail)
    page = {**last, "more": True}
    while page["more"] and cursor < end:
        lines = _PAGE_LINES if matching is not None else min(_PAGE_LINES, end - cursor)
        page = session.call("execution.output", {**params, "cursor": cursor, "lines": lines})
        cursor = page["cursor"]
        if matching is None:
            yield {**page, "unfinished": last["unfinished"]}
        else:
            matching.extend(page["lines"])
    if matching is not None:
        yield {**last, "lines": [*matching], "earlier": False}


def _pages(execution: str, filters: dict[str, Any], *, quiet: bool, as_json: bool) -> None:
    lines: list[str] = []
    for page in _read(execution, filters):
        lines += page["lines"] if as_json else []
        _print(page, quiet=quiet, as_json=as_json)
    if page.get("unfinished") and not (quiet or as_json):
        _echo(page["unfinished"])
    if as_json:
        jsonout.print_document("output", {**page, "lines": lines})
    elif quiet:
        click.echo(short(page["execution"]))
    else:
        _say_what_is_missing(page)


def _say_what_is_missing(page: dict[str, Any]) -> None:
    if page.get("gap"):
        click.echo(f"runt: {gap_sentence(page['gap'])}", err=True)
    if removed := page.get("outputs_removed"):
        click.echo(f"runt: {removed_sentence(removed)}", err=True)


def _print(page: dict[str, Any], *, quiet: bool, as_json: bool) -> None:
    if not (quiet or as_json) and page["lines"]:
        _echo("\n".join(page["lines"]) + "\n")


def _echo(text: str) -> None:
    """Print it as it is; not by `click.echo`, which has its own idea of who takes colours."""
    if not takes_colour(1):
        text = without_ansi(text)
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
