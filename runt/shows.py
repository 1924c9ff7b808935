"""What is shown of an execution: its operations as text, what ended it, its value."""

from __future__ import annotations

import os

from runt import outputs
from runt.failures import Failure
from runt.ids import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runt.writer import Writer


class Shows:
    """How operations become text on stdout and stderr."""

    def __init__(
        self, *, streams_to: int | None = None, results: bool = True, silent: bool = False
    ) -> None:
        """``streams_to``: where all streams go; ``results``: whether values are shown."""
        self._streams_to = streams_to
        self._results = results
        self._silent = silent
        self._colour = {fd: takes_colour(fd) for fd in (1, 2)}
        #: stdout, if its reader can go away without our writing to it.
        self.watched_stdout = 1 if is_pipe(1) else None

    @property
    def is_silent(self) -> bool:
        """Whether nothing that `show` gets is shown."""
        return self._silent

    def event(self, writer: Writer, event: dict[str, Any]) -> None:
        """Queue what is to be shown of an event itself, whatever it is about: nothing."""

    def show(self, writer: Writer, operation: dict[str, Any]) -> None:
        """Queue the text of an operation."""
        op = operation["op"]
        if self._silent or op == "clear":
            return
        if op == "stream":
            fd = 2 if operation["name"] == "stderr" else 1
            writer.put(self._streams_to or fd, operation["text"])
            return
        output = operation.get("output") or {"output_type": "display_data", **operation}
        if output["output_type"] == "execute_result" and not self._results:
            return
        fd, text = outputs.of_output(output)
        if fd == 1 and self._streams_to:
            fd = self._streams_to
        # Streams are as the program wrote them: it could see that they are no terminal.
        if output["output_type"] != "stream" and not self._colour[fd]:
            from runtimed.model.text import without_ansi

            text = without_ansi(text)
        if output["output_type"] == "stream":
            writer.put(fd, text)
        else:
            writer.put_line(fd, text)


class Lines(Shows):
    """Each event as a line of JSON, and nothing else."""

    def __init__(self) -> None:
        super().__init__(silent=True)

    def event(self, writer: Writer, event: dict[str, Any]) -> None:
        from runt.jsonout import SCHEMA, line

        known = {name: value for name, value in event.items() if name != "subscription"}
        writer.put(1, line({"schema": SCHEMA, "event": known}))


def asks_sentence(id: str, question: dict[str, Any]) -> str:
    """Return what to say of an execution that asks, where nobody can answer at once."""
    prompt = f" ({question['prompt']!r})" if question.get("prompt") else ""
    if question.get("password"):
        # Whoever reads this may be an agent, whose words go through the host of a model.
        return (
            f"{short(id)} asks for a password{prompt}, which an agent leaves to the person: "
            f"`runt reply {short(id)}` in a terminal takes it"
        )
    return f"{short(id)} waits for input{prompt}; `runt reply {short(id)} TEXT` answers it"


def gap_sentence(gap: dict[str, Any]) -> str:
    """Return what a gap on the record means, for people."""
    parts = gap.get("parts") or [gap]
    count = sum(part.get("count") or 0 for part in parts)
    what = f"{count} messages" if count else "some output"
    if count and any(part.get("count") is None for part in parts):
        what += " and more"
    reasons = ", ".join(dict.fromkeys(str(part.get("reason")) for part in parts))
    return f"{what} did not reach runtimed here ({reasons})"


def removed_sentence(removed: dict[str, Any]) -> str:
    """Return what the tombstone of an execution's outputs means, for people."""
    what = f"{outputs.size(removed['size_bytes'])} of output were removed {removed['reason']}"
    return f"{what}, at {removed['at']}"


def ended_sentence(id: str, status: str, reason: str | None) -> str | None:
    """Return what is to be said on stderr about a final status, if anything."""
    if status in ("done", "error", "interrupted"):
        return f"{short(id)}: {reason}" if reason else None
    named = {"kernel_died": "the kernel died"}.get(status, status)
    return f"{short(id)}: {named}" + (f": {reason}" if reason else "")


def takes_colour(fd: int) -> bool:
    """Say whether colours are wanted there (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    try:
        return os.isatty(fd)
    except OSError:
        return False


def is_pipe(fd: int) -> bool:
    """Say whether a file descriptor is a pipe."""
    import stat

    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False


def value_text(result: dict[str, Any] | None, form: str) -> str:
    """Return an execute_result's value alone: as text, or as JSON. Raises `Failure`."""
    from runtimed.model.text import without_ansi

    data = (result or {}).get("data") or {}
    if form == "text":
        shown = outputs.rich(data)
        return shown if takes_colour(1) else without_ansi(shown)
    import json

    if not data:
        return "null\n"
    if "application/json" in data:
        return json.dumps(data["application/json"], ensure_ascii=False) + "\n"
    import ast

    text = without_ansi(outputs.as_text(data.get("text/plain", "")))
    try:
        return json.dumps(ast.literal_eval(text), ensure_ascii=False, allow_nan=False) + "\n"
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise Failure(f"the value has no JSON form: {shown}") from None
