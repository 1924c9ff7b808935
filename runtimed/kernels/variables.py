"""Look at the variables of a Python kernel, beside what it is computing.

In a subshell where the kernel has them (https://github.com/jupyter/enhancement-proposals, JEP 91),
else on the main shell while that is idle. Nothing is printed, no history is made, no name is left.
"""

from __future__ import annotations

import ast
import functools
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.errors import KernelBusy, VariablesUnsupported
from runtimed.api.types import Variables
from runtimed.kernels import asking
from runtimed.kernels.implementations import has_subshells
from runtimed.kernels.messages import PROTOCOL_VERSION, execute_content
from runtimed.model.ids import short
from runtimed.model.times import rfc3339

if TYPE_CHECKING:
    from asyncio import Future

    from runtimed.kernels.actor import Actor
    from runtimed.store.runtimes import RuntimeRow

#: What is sent is at most 64 KB; escaped as a literal it is somewhat more.
_MAX_CHARS = 256 * 1024

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
        found = await asking.in_subshell(actor, functools.partial(_execute, actor))
        return _document(actor, "subshell", found)
    is_mute = row.language is None and not actor.state.has_answered
    if is_mute or not asking.is_free(actor):
        raise asking.busy(row)
    if row.language != "python":
        raise _unsupported(row, row.language or row.kernel_name, "only those of Python are known")
    # Where it is not known whether it is busy, its answer will tell.
    # From here to the sending nobody else gets a turn; what comes after waits in the kernel.
    return _document(actor, "shell", await asking.answer(actor, _execute(actor, None)))


def _execute(actor: Actor, subshell_id: str | None) -> Future[dict[str, Any]]:
    content = execute_content(_code(), silent=True)
    content["user_expressions"] = {"found": f"{_TAKE}({_last_header(actor)!r})"}
    # The kernel has one flag for all shells: what runs in the main one may want to ask.
    content["allow_stdin"] = True
    return actor.messenger.ask(
        "shell",
        "execute_request",
        content,
        msg_id=asking.msg_id("execute"),
        subshell_id=subshell_id,
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


@functools.cache
def _code() -> str:
    source = resources.files("runtimed.kernels").joinpath("namespace.py").read_text("utf-8")
    return f"{_BUILTINS}['exec']({_LOOK!r}, {{'namespace': {_GLOBALS}, 'source': {source!r}}})"


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
