"""``runt history``: what was run, newest first."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from runt import completing, jsonout, render, session
from runt.failures import ConflictFailure
from runt.ids import short
from runt.options import by_option, json_option, quiet_option, whose_option
from runt.when import moment

if TYPE_CHECKING:
    from typing import Any

#: The most that one call returns.
_PAGE = 1000


def time_of(execution: dict[str, Any]) -> str:
    """Return when it was submitted: as it is for programs, by the clock on the wall for people."""
    at: str = execution["queued_at"]
    if not sys.stdout.isatty():
        return at
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def who(execution: dict[str, Any]) -> str:
    """Return who requested it: an agent by its name, `you` for whoever uses runt."""
    return render.requester(execution["requested_by"])


def first_line(execution: dict[str, Any]) -> str:
    """Return the first line of its code that says something."""
    code: str = execution["code"]
    lines = [line for line in code.splitlines() if line.strip()]
    if not lines:
        return "-"
    return lines[0].strip() + (" …" if len(lines) > 1 else "")


COLUMNS: tuple[render.Column, ...] = (
    ("ID", lambda e: short(e["id"])),
    ("Time", time_of),
    ("Runtime", lambda e: e["runtime"].get("notebook") or e["runtime"]["name"]),
    ("Status", lambda e: e["status"]),
    ("Who", who),
    ("Code", first_line),
)


@click.command("history")
@click.option(
    "--runtime",
    "-r",
    metavar="RUNTIME",
    help="Only of this runtime, or of this notebook's path.",
    shell_complete=completing.runtimes("all"),
)
@click.option(
    "-n",
    "--number",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    metavar="N",
    help="So many at most.",
)
@click.option("--grep", metavar="TEXT", help="Only whose code has this text in it.")
@click.option(
    "--status", multiple=True, metavar="STATUS", help="Only in this status; may be repeated."
)
@click.option("--since", metavar="WHEN", help="Only from then on: RFC 3339, or how long ago (2d).")
@click.option("--until", metavar="WHEN", help="Only before: as --since.")
@whose_option
@by_option
@click.option("--pinned", is_flag=True, help="Only those that are pinned.")
@quiet_option
@json_option
def command(runtime: str | None, number: int, quiet: bool, as_json: bool, **filters: Any) -> None:
    """List what was run, newest first, whoever ran it: `you` through runt, `foreign` elsewhere.

    `--by mcp` is the trail of what agents did: who, when, in which runtime, what, and what came of
    it.

    Of a notebook: what was run in any kernel that it has had, by any name that it has had. --grep
    takes the text as it is, but for the case of ASCII letters; `runt search` finds words, in
    output as well.
    """
    references: list[str | None] = [None]
    if runtime is not None:
        references = [*_meant(runtime)]
    params = filter_parameters(**filters)
    found = [execution for one in references for execution in _executions(one, params, number)]
    if len(references) > 1:  # of each it is the order of submission
        found.sort(key=lambda each: (str(each["queued_at"]), str(each["id"])), reverse=True)
    del found[number:]
    if as_json:
        jsonout.print_document("executions", found)
    elif quiet:
        click.echo("".join(f"{short(execution['id'])}\n" for execution in found), nl=False)
    else:
        text = render.listing(found, COLUMNS, cut_last=True)
        click.echo(text.encode("utf-8", "replace"), nl=False)


def filter_parameters(
    *,
    mine: bool | None,
    status: tuple[str, ...],
    since: str | None,
    until: str | None,
    grep: str | None = None,
    pinned: bool = False,
    by: str | None = None,
) -> dict[str, Any]:
    """Return the parameters of ``execution.list`` that the options stand for."""
    now = datetime.now(UTC)
    params: dict[str, Any] = {
        name: moment(text, now)
        for name, text in (("since", since), ("until", until))
        if text is not None
    }
    if mine is not None:
        params["foreign"] = not mine
    if by is not None:
        params["by"] = by
    if status:
        params["status"] = list(status)
    if grep is not None:
        params["grep"] = grep
    if pinned:
        params["pinned"] = True
    return params


def _executions(runtime: str | None, filters: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Return the newest executions, of one runtime or of all, newest first."""
    params = filters if runtime is None else {**filters, "runtime": runtime}
    found: list[dict[str, Any]] = []
    while (wanted := number - len(found)) > 0:
        if found:
            params = {**params, "before": found[-1]["id"]}
        asked = min(wanted, _PAGE)
        page = session.call("execution.list", {**params, "limit": asked})
        found += page
        if len(page) < asked:
            break
    return found


def _meant(reference: str) -> list[str]:
    """Return the runtimes that are meant: all of a notebook, else what the daemon calls so."""
    if not reference.endswith(".ipynb"):
        return [reference]
    runtimes = session.call("runtime.list", {"all": True})
    return of_notebook(runtimes, reference, os.path.realpath(reference)) or [reference]


def of_notebook(runtimes: list[dict[str, Any]], reference: str, real: str) -> list[str]:
    """Return the ids of the runtimes of a notebook: by its path, its end, or its name alone.

    A name that it had before counts too. A Jupyter server's paths begin at its own root. Raises
    `ConflictFailure` where notebooks in several places have that name.
    """
    owned = [(runtime["id"], _paths(runtime.get("owner") or {})) for runtime in runtimes]
    for matches in (
        lambda path: path in (reference, real),
        lambda path: real.endswith("/" + path.lstrip("/")),
        lambda path: os.path.basename(path) == reference,
    ):
        found: dict[str, str] = {}
        for id, paths in owned:
            for path in filter(matches, paths):
                found.setdefault(id, path)
        if len(places := sorted(set(found.values()))) > 1:
            raise ConflictFailure(f"{reference} may be any of: {', '.join(places)}")
        if found:
            return list(found)
    return []


def _paths(owner: dict[str, Any]) -> list[str]:
    return [path for path in (owner.get("path"), *owner.get("earlier_paths", ())) if path]
