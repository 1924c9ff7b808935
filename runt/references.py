"""Notebooks as a person names them at a command line: also by a path from here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from runt import completing

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


def notebook_argument(function: Callable[..., T]) -> Callable[..., T]:
    """Add NOTEBOOK."""
    return click.argument("notebook", shell_complete=completing.files)(function)


def notebook_reference(word: str) -> str:
    """Return what the API takes: a path is made absolute, as the daemon stands elsewhere."""
    if os.sep in word or os.path.exists(word):
        return os.path.realpath(word)
    return word
