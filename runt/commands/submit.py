"""``runt submit``: queue code, print the execution's id, and leave it running."""

from __future__ import annotations

import sys

from runt import building, session, submission
from runt.ids import new_id, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import click

HELP = """\
Queue code, print the execution's id, and leave it running.

CODE and the runtime are found as in `runt eval`. Nobody stays to answer input(): a piped stdin is
read first if the code names stdin, a file also if it says input(, anything with --stdin; else
`runt reply` answers.
"""


def submit_options(options: dict[str, Any]) -> int:
    """Do what the parsed options of ``submit`` say."""
    params = submission.parameters(options, detached=True)
    params.setdefault("id", new_id())
    building.announce(params)
    return submit(params, options)


def submit(params: dict[str, Any], options: dict[str, Any]) -> int:
    """Queue it, and print its id."""
    execution = session.call("execution.submit", params)
    if options["json"]:
        from runt.jsonout import print_document

        print_document("execution", execution)
    else:
        sys.stdout.write(f"{short(execution['id'])}\n")
    return 0


def __getattr__(name: str) -> click.Command:
    """Make ``command`` when click asks for it."""
    if name != "command":
        raise AttributeError(name)
    from runt.options import evaluation_command

    return evaluation_command("submit", submit_options, HELP)
