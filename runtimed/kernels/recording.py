"""What is kept of the executions of others: all, metadata or off."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runtimed.store import runtimes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.kernels.actor import Parts
    from runtimed.store.runtimes import RuntimeRow


def record_of(parts: Parts, row: RuntimeRow) -> str:
    """Return what is to be kept of a runtime that nobody has decided about."""
    rules = parts.recorder.store.read(runtimes.record_rules)
    return rule_for(row.cwd, rules) or parts.config.record


def rule_for(directory: str, rules: Mapping[str, str]) -> str | None:
    """Return the rule of the nearest directory above, itself included."""
    return rules.get(nearest(directory, rules) or "")


def nearest(directory: str, rules: Mapping[str, str]) -> str | None:
    """Return the nearest directory that has a rule, the given one or one above it.

    Where a kernel's directory is not known, what was said of everything holds.
    """
    directory = directory or "/"
    while directory not in rules:
        above = os.path.dirname(directory)
        if above == directory:
            return None
        directory = above
    return directory
