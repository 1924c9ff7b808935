"""What asks a person: for code, or for one line. The loop of the REPL knows no more of it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


def gone(error: OSError) -> bool:
    """Say whether it is the terminal that has gone."""
    return error.errno in (errno.EIO, errno.ENXIO)


class Dismissed(Exception):
    """What was asked is not to be answered any more."""


class Asks(Protocol):
    """Asks one thing at a time.

    Both questions raise `KeyboardInterrupt` for Ctrl-C, `EOFError` for Ctrl-D, and `Dismissed`.
    """

    @property
    def is_shown(self) -> bool: ...

    async def code(self) -> str:
        """Return what was entered at ``In [n]:``."""

    def take_interrupt(self) -> bool:
        """Say whether Ctrl-C was pressed after the last answer, before anybody looked."""

    async def line(self, message: str, *, secret: bool = False) -> str:
        """Return the answer to a question; a ``secret`` is not shown."""

    def dismiss(self, error: BaseException) -> None:
        """End the question that is shown, if one is, with this error."""

    def above(self) -> AbstractAsyncContextManager[None]:
        """Hide the prompt, so that something can be written above it."""
