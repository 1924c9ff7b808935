"""Signals as something to poll for, so that none arrives between a check and a wait."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, TypeVar

    T = TypeVar("T")

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Takes SIGINT, SIGTERM and SIGHUP while it is entered, except those that are ignored.

    nohup and a shell's background jobs ignore some of them for their children on purpose.
    """

    interrupt = int(signal.SIGINT)

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._read, self._write = -1, -1
        self._wakeup_before = -1

    def __enter__(self) -> Signals:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in _WATCHED:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, _noticed)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def leaving_default(self, function: Callable[[], T]) -> Callable[[], T]:
        """Return the function, so made that signals end it as if nothing were watched.

        For what may wait long without polling: the start of a daemon.
        """

        def wrapped() -> T:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            try:
                return function()
            finally:
                for number in self._before:
                    signal.signal(number, _noticed)

        return wrapped

    def fileno(self) -> int:
        """Return the descriptor that is readable when a signal came."""
        return self._read

    def take(self) -> list[int]:
        """Return the signals that came since the last call, in order."""
        try:
            return [number for number in os.read(self._read, 64) if number in self._before]
        except BlockingIOError:
            return []


def _noticed(number: int, frame: object) -> None:
    """Do nothing: the wakeup descriptor has it."""
