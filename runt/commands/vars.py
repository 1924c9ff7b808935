"""``runt vars``: look at the variables of a runtime, also while it computes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from runt import completing, jsonout, outputs, project, render, session
from runt.failures import ConflictFailure, NotFoundFailure
from runt.ids import short
from runt.options import json_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def _shape(variable: dict[str, Any]) -> str:
    if variable["shape"] is not None:
        return "x".join(str(length) for length in variable["shape"]) or "scalar"
    return "-" if variable["length"] is None else str(variable["length"])


def _size(variable: dict[str, Any]) -> str:
    bytes_ = variable["size_bytes"]
    return "-" if bytes_ is None else outputs.size(bytes_)


COLUMNS: tuple[render.Column, ...] = (
    ("Name", lambda v: v["name"]),
    ("Type", lambda v: v["type"]),
    ("Shape", _shape),
    ("Size", _size),
    ("Value", lambda v: v["repr"] or "-"),
)


@click.command("vars")
@click.argument("runtime", required=False, shell_complete=completing.runtimes())
@click.option("-q", "--quiet", is_flag=True, help="Print names only.")
@json_option
def command(runtime: str | None, quiet: bool, as_json: bool) -> None:
    """List the variables of RUNTIME: type, shape or length, size, and the beginning of the value.

    Without RUNTIME it is that of RUNT_RUNTIME, else the one that `runt eval` would use here; none
    is started. It looks while the kernel computes, where that has subshells (ipykernel 7), and
    runs no code of the variables' own: an object is shown by its type.
    """
    meant = runtime or os.environ.get("RUNT_RUNTIME") or _of_project()
    seen = session.call("runtime.variables", {"runtime": meant})
    variables = seen["variables"]
    if as_json:
        jsonout.print_document("variables", seen)
        return
    if quiet:
        click.echo("".join(f"{render.printable(v['name'])}\n" for v in variables), nl=False)
    else:
        click.echo(
            render.listing(variables, COLUMNS, cut_last=True).encode("utf-8", "replace"), nl=False
        )
    if seen["total"] > len(variables):
        click.echo(f"runt: {len(variables)} of {seen['total']} are shown", err=True)


def _of_project() -> str:
    """Return the id of the runtime that ``runt eval`` would use. Raises `Failure`."""
    here = project.find(project.cwd())
    found = candidates(session.call("runtime.list", {}), here, os.environ)
    if not found:
        raise NotFoundFailure("no runtime of this project is alive; name one, or `runt ps` them")
    if len(found) > 1:
        named = ", ".join(f"{short(one['id'])} ({one['name']})" for one in found)
        raise ConflictFailure(f"this project has several runtimes: {named}; name one")
    id: str = found[0]["id"]
    return id


def candidates(
    runtimes: list[dict[str, Any]], here: str, environ: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return those that ``runt eval`` may use in a project, best with one Python before others.

    Those of ``runt start`` belong to who started them: they never stop by themselves.
    """
    found = [
        runtime
        for runtime in runtimes
        if runtime["project"] == here
        and runtime["status"] != "dead"
        and runtime["idle_stop_s"] is not None
    ]
    # One with packages of its own is for who names them; see `runt eval --with`.
    found = [runtime for runtime in found if not runtime.get("dependencies")] or found
    if len(found) > 1:
        python = environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX")
        python = os.path.realpath(python or os.path.join(here, ".venv"))
        same = [
            r for r in found if r["environment"] and os.path.realpath(r["environment"]) == python
        ]
        found = same or [r for r in found if r["language"] == "python"] or found
    return found
