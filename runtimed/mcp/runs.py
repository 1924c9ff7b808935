"""What each call has begun: an explicit cancel of it takes that back, whatever else ends it not.

The SDK cancels the handler of a request that is cancelled, as it does all of them where the
connection ends; which of the two it was, only ``notifications/cancelled`` tells, and that arrives
when the handler has gone. So what a handler leaves behind is kept for a while.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtimed.api.errors import ApiError

if TYPE_CHECKING:
    from runtimed.mcp.desk import Desk
    from runtimed.mcp.undoing import Undo

#: (session, request id); None where a cancel could not be told from another client's.
Key = tuple[str, str] | None
_MOST = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Run:
    desk: Desk
    undo: Undo


class Runs:
    """What calls have begun, by the request that did."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[str, str], _Run] = OrderedDict()

    def begin(self, key: Key, desk: Desk, undo: Undo) -> None:
        """Note what takes back what a request does now."""
        if key is None:
            return
        self._runs[key] = _Run(desk, undo)
        while len(self._runs) > _MOST:
            self._runs.popitem(last=False)

    def answered(self, key: Key) -> None:
        """Forget what a request began: it has been answered, and cannot be cancelled."""
        if key is not None:
            self._runs.pop(key, None)

    async def cancelled(self, key: Key) -> None:
        """Take back what the request began, once it has come about."""
        run = None if key is None else self._runs.pop(key, None)
        if run is None:
            return
        run.desk.hold()
        try:
            await run.undo()
        except ApiError as error:
            _log.warning("what a cancelled call began goes on: %s", error)
        finally:
            run.desk.release()
