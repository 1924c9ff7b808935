"""What a check has found, and how it would be put right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Status = Literal["ok", "note", "problem", "fixed", "unknown"]


@dataclass
class Finding:
    """One thing that was looked at.

    ``note``: worth knowing, and nothing is wrong. ``unknown``: it could not be looked at.
    """

    check: str
    status: Status
    text: str
    """One sentence, without its full stop."""
    remedy: str = ""
    """One command or sentence that puts it right."""
    data: dict[str, Any] = field(default_factory=dict)
    """The same for programs; ``names`` are printed for people too. Never in an archive."""
    repair: Callable[[], str] | None = None
    """Puts it right and returns what was done; what fails raises."""
    question: str = ""
    """What a person must agree to before that."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "check": self.check,
            "status": self.status,
            "text": self.text,
            "remedy": self.remedy or None,
            "fixable": self.repair is not None,
            "data": self.data,
        }


def some(names: list[str], most: int = 3) -> str:
    """Return the first few of the names, and how many there are besides."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number of things."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
