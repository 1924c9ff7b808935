"""What a kernel says of code that a prompt holds: its word is taken as anybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from runtimed.api.errors import KernelBusy
from runtimed.api.introspection import Completeness, Completions, Inspection, Match
from runtimed.kernels import asking
from runtimed.kernels.implementations import has_subshells
from runtimed.model.ids import short

if TYPE_CHECKING:
    from asyncio import Future
    from typing import Literal

    from runtimed.kernels.actor import Actor

#: So many matches are a screen's and more.
_MOST_MATCHES = 1000
_STATUSES = frozenset(("complete", "incomplete", "invalid"))


async def complete(actor: Actor, code: str, cursor: int | None, wait_s: float) -> Completions:
    """Return what may stand at the cursor. Raises as `_ask` does."""
    at = _within(cursor, code, len(code))
    content = await _ask(actor, "complete", {"code": code, "cursor_pos": at}, wait_s)
    found = content.get("matches")
    texts = [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
    end = _within(content.get("cursor_end"), code, at)
    start = min(_within(content.get("cursor_start"), code, at), end)
    return Completions(
        runtime=actor.row.id,
        matches=_matches(texts[:_MOST_MATCHES], content.get("metadata")),
        start=start,
        end=end,
        total=len(texts),
    )


def _matches(texts: list[str], metadata: object) -> list[Match]:
    """Return the matches, with their types where the kernel says them as IPython does."""
    told = metadata.get("_jupyter_types_experimental") if isinstance(metadata, dict) else None
    types = {
        each["text"]: each
        for each in (told if isinstance(told, list) else ())
        if isinstance(each, dict) and isinstance(each.get("text"), str)
    }
    return [
        Match(
            text=text,
            type=_word(types.get(text, {}).get("type")),
            signature=_word(types.get(text, {}).get("signature")),
        )
        for text in texts
    ]


def _word(value: object) -> str | None:
    """Return what says something: IPython writes ``<unknown>`` where it does not know."""
    return value if isinstance(value, str) and value and value != "<unknown>" else None


async def inspect(
    actor: Actor, code: str, cursor: int | None, *, detail: int, wait_s: float
) -> Inspection:
    """Return what the kernel knows of what stands at the cursor. Raises as `_ask` does."""
    at = _within(cursor, code, len(code))
    asked = {"code": code, "cursor_pos": at, "detail_level": detail}
    content = await _ask(actor, "inspect", asked, wait_s)
    data, metadata = content.get("data"), content.get("metadata")
    found = bool(content.get("found")) and isinstance(data, dict) and bool(data)
    return Inspection(
        runtime=actor.row.id,
        found=found,
        data=cast("dict[str, Any]", data) if found else {},
        metadata=metadata if found and isinstance(metadata, dict) else {},
    )


async def is_complete(actor: Actor, code: str, wait_s: float) -> Completeness:
    """Return whether the kernel takes the code for whole. Raises as `_ask` does."""
    content = await _ask(actor, "is_complete", {"code": code}, wait_s)
    status, indent = content.get("status"), content.get("indent")
    return Completeness(
        runtime=actor.row.id,
        status=cast("Literal['complete']", status) if status in _STATUSES else "unknown",
        indent=indent if isinstance(indent, str) and not indent.strip() else "",
    )


async def _ask(actor: Actor, verb: str, content: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """Return the reply's content; of one that is an error, nothing.

    A kernel that is busy has no place to answer but a subshell: a request would wait behind what
    it runs, and the next one behind that. Raises as `asking.answer` does.
    """

    def send(subshell_id: str | None) -> Future[dict[str, Any]]:
        return actor.messenger.ask(
            "shell",
            f"{verb}_request",
            content,
            msg_id=asking.msg_id(verb),
            subshell_id=subshell_id,
        )

    if asking.is_free(actor):
        reply = await asking.answer(actor, send(None), wait_s)
    elif has_subshells(actor.row):
        reply = await asking.in_subshell(actor, send, wait_s)
    else:
        raise asking.busy(actor.row)
    if reply.get("status") == "aborted":
        raise KernelBusy(runtime=short(actor.row.id))
    return {} if reply.get("status") == "error" else reply


def _within(position: object, code: str, otherwise: int) -> int:
    """Return a position in the code, whatever was said."""
    if not isinstance(position, int) or isinstance(position, bool):
        return otherwise
    return max(0, min(position, len(code)))
