"""``runt doctor``: what is wrong with the service and around it, and how to put it right."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from runt import exits, jsonout, render
from runt.doctor.checkup import examine
from runt.failures import ConflictFailure, DeniedFailure
from runt.options import json_option, quiet_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from runt.doctor.finding import Finding

_COLUMNS: tuple[render.Column, ...] = (
    ("Status", lambda f: f["status"]),
    ("Check", lambda f: f["check"]),
    ("Finding", lambda f: f["text"]),
    ("Remedy", lambda f: f["remedy"] or "-"),
)
_NAMES = 8


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Put right what can be put right without risk.")
@click.option("--yes", "-y", is_flag=True, help="Agree to what --fix would ask about (linger).")
@click.option(
    "--forget-transports",
    is_flag=True,
    help="First forget which kernelspecs are started over tcp: each is tried over ipc again.",
)
@click.option(
    "--archive",
    type=click.Path(dir_okay=False),
    metavar="FILE.tar.gz",
    help="Write what a report of a bug needs, without code, outputs and secrets.",
)
@quiet_option
@json_option
def command(
    fix: bool, yes: bool, forget_transports: bool, archive: str | None, quiet: bool, as_json: bool
) -> int:
    """Look for what is wrong, and say how to put it right. Starts nothing.

    Exits 1 if there is a problem left, 0 if not; notes are no problems. Works without a daemon,
    except for what only a daemon can tell.
    """
    if archive == "-":
        raise click.UsageError("--archive takes the name of a file: what is found is on stdout")
    if archive is not None and os.path.lexists(archive):
        raise ConflictFailure(f"{archive} is there already; it is not overwritten")
    if forget_transports:
        from runt.doctor.kernels import forget_transports as forget

        for path in forget():
            click.echo(f"runt: forgotten: {render.home(path)}", err=True)
    findings = examine(_consent(yes, asks=not (quiet or as_json)) if fix else None)
    if archive is not None:
        _write(archive, findings)
    problems = [finding for finding in findings if finding.status == "problem"]
    if as_json:
        documents = [finding.document() for finding in findings]
        document = {"findings": documents, "problems": len(problems), "archive": archive}
        jsonout.print_document("doctor", document)
    elif quiet:
        names = dict.fromkeys(finding.check for finding in problems)
        click.echo("".join(f"{name}\n" for name in names), nl=False)
    else:
        _print(findings, may_be_fixed=not fix)
        if archive is not None:
            click.echo(f"runt: wrote {archive}; look through it before you pass it on", err=True)
    return exits.CODE_RAISED if problems else exits.OK


def _consent(yes: bool, *, asks: bool) -> Callable[[str], bool]:
    def may(question: str) -> bool:
        return yes or (asks and os.isatty(0) and click.confirm(question, err=True))

    return may


def _write(path: str, findings: list[Finding]) -> None:
    from runt.doctor import archive

    try:
        archive.write(path, findings)
    except FileExistsError:
        raise ConflictFailure(f"{path} is there already; it is not overwritten") from None
    except OSError as error:
        raise DeniedFailure(f"{path} was not written: {error.strerror}") from None


def _print(findings: list[Finding], *, may_be_fixed: bool) -> None:
    if not sys.stdout.isatty():
        click.echo(render.tabs([f.document() for f in findings], _COLUMNS), nl=False)
        return
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.status:<8} {finding.check:<{width}}  {_line(finding.text)}")
        indent = " " * (width + 11)
        for name in finding.data.get("names", ())[:_NAMES] if finding.status != "ok" else ():
            click.echo(f"{indent}- {render.printable(str(name))}")
        if "tried" in finding.data:
            click.echo(f"{indent}tried: {_line(finding.data['tried'])}")
        if finding.remedy and finding.status != "ok":
            click.echo(f"{indent}→ {_line(finding.remedy)}")
    fixable = [f for f in findings if f.repair is not None and f.status == "problem"]
    if fixable and may_be_fixed:
        click.echo("`runt doctor --fix` would put right: " + ", ".join({f.check for f in fixable}))


def _line(text: str) -> str:
    return render.printable(" ".join(text.split()))
