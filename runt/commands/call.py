"""``runt call``: any method of the API."""

from __future__ import annotations

import json

import click

from runt import completing, jsonout, session, submission
from runt.failures import UsageFailure
from runt.options import json_option, quiet_option


@click.command("call")
@click.argument("method", shell_complete=completing.methods)
@click.argument("params", required=False, metavar="[JSON|-]")
@quiet_option
@json_option
def command(method: str, params: str | None, quiet: bool, as_json: bool) -> None:
    """Call METHOD with parameters (a JSON object, or - for stdin) and print the bare result.

    The result is JSON with and without --json, which puts it into the envelope of all verbs.
    """
    if params == "-":
        params = submission.read_stdin()
    try:
        given = json.loads(params) if params and params.strip() else {}
    except ValueError as error:
        raise UsageFailure(f"the parameters are not JSON: {error}") from None
    if not isinstance(given, dict):
        raise UsageFailure("the parameters must be a JSON object")
    result = session.call(method, given)
    if as_json:
        jsonout.print_document("result", result)
    elif not quiet:
        jsonout.print_bare(result)
