"""``runt cancel``: cancel executions that are still queued."""

from __future__ import annotations

from typing import Any

import click

from runt import exits, jsonout, session
from runt.ids import short
from runt.options import executions_argument, for_each, json_option, quiet_option


@click.command("cancel")
@executions_argument
@quiet_option
@json_option
def command(executions: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Cancel executions that are still queued; exits 4 where one is not."""
    documents: list[dict[str, Any]] = []

    def cancel(reference: str) -> int:
        execution = session.call("execution.cancel", {"execution": reference})
        documents.append(execution)
        shown, status = short(execution["id"]), execution["status"]
        if status != "cancelled":
            state = "on its way to the kernel" if status == "queued" else status
            is_final = status in exits.BY_STATUS
            hint = "" if is_final else f"; `runt interrupt {shown}` interrupts it"
            click.echo(f"runt: {shown} is not queued, it is {state}{hint}", err=True)
            return exits.CONFLICT
        if not as_json:
            click.echo(shown if quiet else f"cancelled {shown}")
        return exits.OK

    code = for_each(executions, cancel)
    if as_json:
        jsonout.print_document("executions", documents)
    return code
