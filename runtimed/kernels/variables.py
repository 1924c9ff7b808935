"""Look at the variables of a Python kernel, beside what it is computing.

In a subshell where the kernel has them (https://github.com/jupyter/enhancement-proposals, JEP 91),
else on the main shell while that is idle. Nothing is printed, no history is made, no name is left.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import functools
import itertools
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.errors import (
    KeeperUnavailable,
    KernelBusy,
    KernelUnresponsive,
    RuntimeDead,
    StoreUnavailable,
    VariablesUnsupported,
)
from runtimed.api.types import Variables
from runtimed.kernels.implementations import has_subshells
from runtimed.kernels.link import Refused
from runtimed.kernels.messages import PROTOCOL_VERSION, execute_content
from runtimed.kernels.reasons import describe_exit
from runtimed.kernels.watching import probe
from runtimed.model.ids import short
from runtimed.model.times import rfc3339

if TYPE_CHECKING:
    from asyncio import Future

    from runtimed.kernels.actor import Actor
    from runtimed.store.runtimes import RuntimeRow

#: Seconds for each answer of the kernel. None comes while an extension holds the interpreter lock.
ANSWER_S = 5.0
#: What is sent is at most 64 KB; escaped as a literal it is somewhat more.
_MAX_CHARS = 256 * 1024
_numbers = itertools.count(1)

#: What to run around namespace.py; what it finds is fetched by `_TAKE`. The hooks that users and
#: matplotlib register for the end of every execution would run in the middle of the one that is
#: looked into: in this thread, none do. And ipykernel has one header for what threads of the user's
#: print, that of the latest request on any shell: it gets the one of the cell again.
_LOOK = """
import _thread, builtins, sys
shell = getattr(builtins, "get_ipython", lambda: None)()
def skip_hooks(events):
    thread, usual = _thread.get_ident(), events.trigger
    def trigger(event, *args, **kwargs):
        if _thread.get_ident() != thread:
            return usual(event, *args, **kwargs)
        if events.__dict__.get("trigger") is trigger:
            del events.__dict__["trigger"]
    events.trigger = trigger
def take(header):
    printers = (sys.stdout, sys.stderr, shell.displayhook, shell.display_pub) if shell else ()
    for each in printers:
        present = getattr(each, "__dict__", {}).get("_parent_header_global") or {}
        if header is not None and str(present.get("msg_id")).startswith("look."):
            each.__dict__["_parent_header_global"] = header
    return found
try:
    if hasattr(shell, "events"):
        skip_hooks(shell.events)
    code = {"__name__": "runtimed.kernels.namespace"}
    exec(source, code)
    names = getattr(shell, "user_ns", namespace)
    found = code["describe"](names, getattr(shell, "user_ns_hidden", {}))
    code.clear()
except Exception as error:
    found = {"failed": type(error).__name__}
found = ascii(found)
sys.__dict__["_runtimed_look_%d" % _thread.get_ident()] = take
"""
#: The built-in names, and those of the user's, by no name that the user could have taken for
#: something else. Functions have ``__builtins__`` since Python 3.10.
_BUILTINS = (
    "(lambda f: f.__builtins__ if '__builtins__' in f.__class__.__dict__ else (lambda b: "
    "b if b.__class__ is {}.__class__ else b.__dict__)(f.__globals__['__builtins__']))(lambda: 0)"
)
_GLOBALS = "(lambda: 0).__globals__"
_TAKE = (
    "(lambda load: load('sys').__dict__.pop('_runtimed_look_%d' % load('_thread').get_ident()))"
    f"({_BUILTINS}['__import__'])"
)


async def look(actor: Actor) -> Variables:
    """Return what the kernel's namespace holds now.

    Raises `VariablesUnsupported`, `KernelBusy`, `KernelUnresponsive`, `RuntimeDead` or
    `KeeperUnavailable`.
    """
    row = actor.row
    if row.language == "python" and has_subshells(row):
        return _document(actor, "subshell", await _in_subshell(actor))
    is_mute = row.language is None and not actor.state.has_answered
    if is_mute or actor.state.activity not in ("idle", None):
        raise _busy(row)
    if row.language != "python":
        raise _unsupported(row, row.language or row.kernel_name, "only those of Python are known")
    # Where it is not known whether it is busy, its answer will tell.
    # From here to the sending nobody else gets a turn; what comes after waits in the kernel.
    return _document(actor, "shell", await _answer(actor, _execute(actor, None)))


async def _in_subshell(actor: Actor) -> dict[str, Any]:
    creation = actor.messenger.ask(
        "control", "create_subshell_request", {}, msg_id=_msg_id("create")
    )
    try:
        created = await _answer(actor, creation)
    except (KernelBusy, KernelUnresponsive, asyncio.CancelledError):
        # It may yet be created.
        creation.add_done_callback(functools.partial(_delete_if_created, actor))
        raise
    subshell_id = created.get("subshell_id")
    if not isinstance(subshell_id, str):
        raise KernelBusy(runtime=short(actor.row.id))
    try:
        return await _answer(actor, _execute(actor, subshell_id))
    finally:
        _delete(actor, subshell_id)


def _delete_if_created(actor: Actor, creation: Future[dict[str, Any]]) -> None:
    if creation.cancelled() or creation.exception() is not None:
        return
    if isinstance(subshell_id := creation.result().get("subshell_id"), str):
        _delete(actor, subshell_id)


def _delete(actor: Actor, subshell_id: str) -> None:
    content = {"subshell_id": subshell_id}
    actor.messenger.try_post(
        "control", "delete_subshell_request", content, msg_id=_msg_id("delete")
    )


def _execute(actor: Actor, subshell_id: str | None) -> Future[dict[str, Any]]:
    content = execute_content(_code(), silent=True)
    content["user_expressions"] = {"found": f"{_TAKE}({_last_header(actor)!r})"}
    # The kernel has one flag for all shells: what runs in the main one may want to ask.
    content["allow_stdin"] = True
    return actor.messenger.ask(
        "shell", "execute_request", content, msg_id=_msg_id("execute"), subshell_id=subshell_id
    )


def _last_header(actor: Actor) -> dict[str, Any] | None:
    """Return the header of the request that the kernel was seen to begin last."""
    row = actor.state.last_begun
    if row is None:
        return None
    return {
        "msg_id": row.msg_id,
        "msg_type": "execute_request",
        "session": row.requested_by.get("session") or actor.messenger.session,
        "username": "",
        "date": rfc3339(row.started_ms or row.queued_ms),
        "version": PROTOCOL_VERSION,
    }


def _msg_id(part: str) -> str:
    return f"look.{next(_numbers)}.{part}"


@functools.cache
def _code() -> str:
    source = resources.files("runtimed.kernels").joinpath("namespace.py").read_text("utf-8")
    return f"{_BUILTINS}['exec']({_LOOK!r}, {{'namespace': {_GLOBALS}, 'source': {source!r}}})"


async def _answer(actor: Actor, reply: Future[dict[str, Any]]) -> dict[str, Any]:
    """Return what the kernel answers.

    Raises `KernelBusy`, `KernelUnresponsive`, `RuntimeDead` or `KeeperUnavailable`.
    """
    exits, row = actor.exits, actor.row
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            await actor.until(
                lambda: reply.done() or actor.exits != exits or not actor.state.is_connected
            )
    if not reply.done():
        if row.status == "dead":
            raise RuntimeDead(runtime=short(row.id), reason=describe_exit(row.exit or {}))
        with contextlib.suppress(KeeperUnavailable, StoreUnavailable, Refused):
            await probe(actor)
        raise _busy(row)
    try:
        return reply.result()
    except Refused as refusal:
        raise KeeperUnavailable(detail=str(refusal)) from refusal


def _busy(row: RuntimeRow) -> KernelBusy | KernelUnresponsive:
    busy = KernelUnresponsive if row.status == "unresponsive" else KernelBusy
    return busy(runtime=short(row.id))


def _document(actor: Actor, via: str, content: dict[str, Any]) -> Variables:
    """Return the document; what the kernel says is taken as anybody's word."""
    row = actor.row
    language = f"{row.language} ({row.kernel_name})"
    try:
        text = content["user_expressions"]["found"]["data"]["text/plain"]
        if not isinstance(text, str) or len(text) > _MAX_CHARS:
            raise ValueError("too much")
        found = ast.literal_eval(ast.literal_eval(text))
        if "failed" in found:
            raise _unsupported(row, language, f"looking at them failed there: {found['failed']}")
        return msgspec.convert({**found, "runtime": row.id, "via": via}, Variables)
    except (KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        if content.get("status") == "aborted":
            raise KernelBusy(runtime=short(row.id)) from error
        raise _unsupported(row, language, "its answer makes no sense") from error


def _unsupported(row: RuntimeRow, language: str, reason: str) -> VariablesUnsupported:
    return VariablesUnsupported(runtime=short(row.id), language=language, reason=reason)
