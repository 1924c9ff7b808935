"""The options that say as what something is exported: one of them, or none."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from runt.failures import UsageFailure

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Option → the form that it stands for, and its help.
_FORMS = {
    "--notebook": ("ipynb", "As a notebook (.ipynb); the default."),
    "--py": ("py", "As a script with `# %%` cells."),
    "--md": ("md", "As Markdown, with what it printed."),
    "--html": ("html", "As a web page (needs nbconvert)."),
}


def form_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command's ``form`` is what was asked for, or None.

    Two that differ are a `UsageFailure`: with click's ``flag_value`` the last would win.
    """

    @functools.wraps(command)
    def with_form(**given: Any) -> Any:
        asked = [option for option, (form, _) in _FORMS.items() if given.pop(f"as_{form}")]
        if asked[1:]:
            raise UsageFailure(f"{asked[0]} and {asked[1]} exclude each other")
        return command(**given, form=_FORMS[asked[0]][0] if asked else None)

    decorated: Callable[..., Any] = with_form
    for option, (form, said) in reversed(_FORMS.items()):
        decorated = click.option(option, f"as_{form}", is_flag=True, help=said)(decorated)
    return decorated
