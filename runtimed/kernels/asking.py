"""Ask a kernel something beside what it is computing.

In a subshell where the kernel has them (https://github.com/jupyter/enhancement-proposals, JEP 91),
else on the main shell while that is idle. What asks names its requests by `msg_id`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import (
    KeeperUnavailable,
    KernelBusy,
    KernelUnresponsive,
    RuntimeDead,
    StoreUnavailable,
)
from runtimed.kernels.link import Refused
from runtimed.kernels.reasons import describe_exit
from runtimed.kernels.watching import probe
from runtimed.model.ids import short

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from runtimed.kernels.actor import Actor
    from runtimed.store.runtimes import RuntimeRow

#: Seconds for each answer of the kernel. None comes while an extension holds the interpreter lock.
ANSWER_S = 5.0
_numbers = itertools.count(1)


def msg_id(part: str) -> str:
    """Return a new msg_id of a request of this kind; `model.ids` knows how they begin."""
    return f"look.{next(_numbers)}.{part}"


def is_free(actor: Actor) -> bool:
    """Say whether the main shell is idle, or may be: then its answer will tell."""
    return actor.state.activity in ("idle", None)


async def in_subshell(
    actor: Actor, send: Callable[[str], Future[dict[str, Any]]], wait_s: float = ANSWER_S
) -> dict[str, Any]:
    """Return the answer to what ``send`` asks in a subshell of its id, which is gone afterwards.

    Raises as `answer` does.
    """
    creation = actor.messenger.ask(
        "control", "create_subshell_request", {}, msg_id=msg_id("create")
    )
    try:
        created = await answer(actor, creation, wait_s)
    except (KernelBusy, KernelUnresponsive, asyncio.CancelledError):
        # It may yet be created.
        creation.add_done_callback(functools.partial(_delete_if_created, actor))
        raise
    subshell_id = created.get("subshell_id")
    if not isinstance(subshell_id, str):
        raise KernelBusy(runtime=short(actor.row.id))
    try:
        return await answer(actor, send(subshell_id), wait_s)
    finally:
        _delete(actor, subshell_id)


def _delete_if_created(actor: Actor, creation: Future[dict[str, Any]]) -> None:
    if creation.cancelled() or creation.exception() is not None:
        return
    if isinstance(subshell_id := creation.result().get("subshell_id"), str):
        _delete(actor, subshell_id)


def _delete(actor: Actor, subshell_id: str) -> None:
    content = {"subshell_id": subshell_id}
    actor.messenger.try_post("control", "delete_subshell_request", content, msg_id=msg_id("delete"))


async def answer(
    actor: Actor, reply: Future[dict[str, Any]], wait_s: float = ANSWER_S
) -> dict[str, Any]:
    """Return what the kernel answers.

    Raises `KernelBusy`, `KernelUnresponsive`, `RuntimeDead` or `KeeperUnavailable`.
    """
    exits, row = actor.exits, actor.row
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await actor.until(
                lambda: reply.done() or actor.exits != exits or not actor.state.is_connected
            )
    if not reply.done():
        if row.status == "dead":
            raise RuntimeDead(runtime=short(row.id), reason=describe_exit(row.exit or {}))
        with contextlib.suppress(KeeperUnavailable, StoreUnavailable, Refused):
            await probe(actor)
        raise busy(row)
    try:
        return reply.result()
    except Refused as refusal:
        raise KeeperUnavailable(detail=str(refusal)) from refusal


def busy(row: RuntimeRow) -> KernelBusy | KernelUnresponsive:
    """Return what is to be said of a kernel that does not answer now."""
    kind = KernelUnresponsive if row.status == "unresponsive" else KernelBusy
    return kind(runtime=short(row.id))
