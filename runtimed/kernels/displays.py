"""Outputs that are shown again: an update reaches all that were shown under its display_id.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#update-display-data
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtimed.model.outputs import shown_display_id
from runtimed.recorder import LookUp

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.recorder import Batch


class Displays:
    """The display_ids of one runtime. Part of its intake.

    ``showing`` looks up which executions show an output under a display_id.
    """

    def __init__(self, runtime_id: str, showing: Callable[[str], list[str]]) -> None:
        self._runtime_id = runtime_id
        self._showing = showing

    def show_again(
        self, op: dict[str, Any], execution_id: str | None, at_ms: int, batch: Batch
    ) -> None:
        """Record what an output changes of those that other executions show under its display_id.

        ``execution_id`` is whose output it is, None if nobody's.
        """
        display_id = shown_display_id(op)
        if display_id is None:
            return
        noted = [e for _, d, e in batch.displays if d == display_id]
        source = op if op["op"] == "update" else op["output"]
        update = {
            "op": "update",
            "display_id": display_id,
            "data": source["data"],
            "metadata": source["metadata"],
        }
        if "buffers" in op:
            update["buffers"] = op["buffers"]
        for shown_in in sorted({*self._showing(display_id), *noted} - {execution_id}):
            batch.event("output", self._runtime_id, shown_in, update, at_ms, LookUp.BY_EXECUTION)
        if op["op"] == "add" and execution_id is not None:
            batch.displays.append((self._runtime_id, display_id, execution_id))
