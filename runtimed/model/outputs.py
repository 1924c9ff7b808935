"""Outputs, folded as a notebook shows them.

A kernel's iopub message becomes an *operation*; the operations of one execution, in order, fold
into its outputs. Operations are what is stored and published, folding happens when outputs are
asked for: nothing is rewritten while a cell prints.

=======  ==========================================================================
op       members
=======  ==========================================================================
stream   name, text
add      output: display_data, execute_result or error, as in nbformat 4.5
clear    wait: clear only when the next output comes
update   display_id, data, metadata: of every output shown under that display_id
=======  ==========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

Operation = dict[str, Any]
OUTPUT_MESSAGES = frozenset(
    ("stream", "display_data", "execute_result", "error", "clear_output", "update_display_data")
)


def operation(msg_type: str, content: dict[str, Any]) -> Operation:
    """Return the operation that an iopub message of `OUTPUT_MESSAGES` stands for."""
    match msg_type:
        case "stream":
            return {
                "op": "stream",
                "name": _text(content.get("name")) or "stdout",
                "text": _text(content.get("text")),
            }
        case "clear_output":
            return {"op": "clear", "wait": bool(content.get("wait"))}
        case "update_display_data":
            return {"op": "update", "display_id": _display_id(content), **_shown(content)}
        case "error":
            traceback = content.get("traceback")
            return {
                "op": "add",
                "output": {
                    "output_type": "error",
                    "ename": _text(content.get("ename")),
                    "evalue": _text(content.get("evalue")),
                    "traceback": [_text(line) for line in traceback]
                    if isinstance(traceback, list)
                    else [],
                },
            }
    output: dict[str, Any] = {"output_type": msg_type, **_shown(content)}
    if msg_type == "execute_result":
        count = content.get("execution_count")
        output["execution_count"] = count if type(count) is int else None
    if (display_id := _display_id(content)) is not None:
        output["display_id"] = display_id
    return {"op": "add", "output": output}


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _shown(content: dict[str, Any]) -> dict[str, Any]:
    data, metadata = content.get("data"), content.get("metadata")
    return {
        "data": data if isinstance(data, dict) else {},
        "metadata": metadata if isinstance(metadata, dict) else {},
    }


def _display_id(content: dict[str, Any]) -> str | None:
    transient = content.get("transient")
    display_id = transient.get("display_id") if isinstance(transient, dict) else None
    return display_id if isinstance(display_id, str) else None


def shown_display_id(op: Operation) -> str | None:
    """Return the display_id that the operation shows or updates, if it has one."""
    shown: dict[str, Any] = op["output"] if op["op"] == "add" else op
    display_id = shown.get("display_id")
    return display_id if isinstance(display_id, str) else None


class Gathered(Protocol):
    """Takes the text of one stream output, piece by piece."""

    def append(self, text: str, /) -> object: ...


class Folder:
    """Folds operations, one after the other, into outputs."""

    def __init__(self) -> None:
        self._outputs: list[dict[str, Any]] = []
        self._streams: dict[int, Gathered] = {}
        self._clear_waits = False

    def apply(self, op: Operation) -> None:
        if op["op"] == "clear":
            if op["wait"]:
                self._clear_waits = True
            else:
                self._clear()
            return
        if op["op"] == "update":
            self._update(op["display_id"], op, op.get("buffers"))
            return
        if self._clear_waits:
            self._clear()
        if op["op"] == "stream":
            self._stream(op["name"], op["text"])
            return
        output = dict(op["output"])
        if (display_id := output.get("display_id")) is not None:
            self._update(display_id, output, op.get("buffers"))
        if "buffers" in op:
            output["buffers"] = op["buffers"]
        self._outputs.append(output)

    def outputs(self) -> list[dict[str, Any]]:
        """Return the outputs so far; adjoining text of one stream is one output."""
        for index, parts in self._streams.items():
            self._outputs[index]["text"] = self._gathered(parts)
        return [dict(output) for output in self._outputs]

    def _clear(self) -> None:
        self._outputs.clear()
        self._streams.clear()
        self._clear_waits = False

    def _stream(self, name: str, text: str) -> None:
        last = len(self._outputs) - 1
        if last >= 0 and last in self._streams and self._outputs[last]["name"] == name:
            self._streams[last].append(text)
            return
        self._outputs.append({"output_type": "stream", "name": name, "text": ""})
        self._streams[last + 1] = gathered = self._gather()
        gathered.append(text)

    def _gather(self) -> Gathered:
        """Return what takes the text of a stream output that begins."""
        return []

    def _gathered(self, parts: Any) -> Any:
        """Return what was taken, as the output has it."""
        return "".join(parts)

    def _update(self, display_id: str | None, shown: dict[str, Any], buffers: Any) -> None:
        if display_id is None:
            return
        for output in self._outputs:
            if output.get("display_id") != display_id:
                continue
            output["data"], output["metadata"] = shown["data"], shown["metadata"]
            output.pop("buffers", None)
            if buffers is not None:
                output["buffers"] = buffers


def fold(operations: Iterable[Operation]) -> list[dict[str, Any]]:
    """Return the outputs that the operations amount to."""
    folder = Folder()
    for op in operations:
        folder.apply(op)
    return folder.outputs()
