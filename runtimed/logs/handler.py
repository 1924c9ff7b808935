"""The daemon's `logging`, joined to its log; the keeper does without `logging`."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from runtimed.logs.entry import Priority

if TYPE_CHECKING:
    from types import TracebackType

    from runtimed.logs.log import Log


class Handler(logging.Handler):
    """Writes records to the log; `runtimed.logs.about` says what they concern."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - the root of every call that logs
            self.handleError(record)
            return
        runtime, execution = getattr(record, "runtime", None), getattr(record, "execution", None)
        self.log.write(_priority(record.levelno), text, runtime, execution)


def _priority(level: int) -> Priority:
    if level >= logging.ERROR:
        return Priority.ERROR
    if level >= logging.WARNING:
        return Priority.WARNING
    return Priority.INFO if level >= logging.INFO else Priority.DEBUG


def install(log: Log) -> None:
    """Have all that is logged, and what ends the process, written there."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(Handler(log))
    sys.excepthook = _say_last_words


def tend() -> None:
    """Do for the log what is due from time to time."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Handler):
            handler.log.tend()


def _say_last_words(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    logging.getLogger("runtimed").critical("it ends", exc_info=(kind, error, traceback))
