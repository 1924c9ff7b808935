"""Documents for machines: ``{"schema": 1, "<noun>": …}``, one line an event for streams."""

from __future__ import annotations

import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Raised when a member changes its meaning or goes away; new members do not raise it.
SCHEMA = 1


def print_document(noun: str, document: Any) -> None:
    """Print a document of one noun, enveloped."""
    print_bare({"schema": SCHEMA, noun: document})


def print_bare(value: Any) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.flush()
    sys.stdout.buffer.write(line(value).encode("utf-8", "replace"))


def line(value: Any) -> str:
    """Return a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False) + "\n"
