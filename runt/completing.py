"""What a shell is offered: the words that could stand where the cursor is.

Runtimes, executions and kernels are asked of a daemon that runs and answers at once; none is
started for it, and none is waited for.
"""

from __future__ import annotations

import contextlib
import re
import signal
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, ShellComplete

from runt import exits, session
from runt.ids import short
from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem | str]]

#: Longer, and the person has typed it.
PATIENCE_S = 2.0
#: Words that no shell takes apart; anything else is offered by its short id only.
_PLAIN = re.compile(r"[\w@%+,./-]+")
_EXECUTIONS = 40
_PENDING = ("queued", "running", "waiting_input")
_HELP_LENGTH = 60


def answer(group: click.Group, words: list[str]) -> int:
    """Print what could stand in place of the last of the words after ``runt``.

    A line each: its kind (plain, file, dir), the whole word, what it is; with tabs between.
    """
    *before, incomplete = words or [""]
    option, is_pair, _ = incomplete.partition("=")
    prefix = f"{option}=" if is_pair and option.startswith("--") else ""
    for item in ShellComplete(group, {}, "runt", "").get_completions(before, incomplete):
        value = prefix + str(item.value or "")
        click.echo(f"{item.type}\t{value}\t{_on_one_line(item.help or '')}")
    return exits.OK


def _on_one_line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _HELP_LENGTH else line[: _HELP_LENGTH - 1] + "…"


def runtimes(status: str = "alive") -> Completer:
    """Return the completer of runtimes: those that are ``alive``, ``dead``, or ``all``."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        found = _asked("runtime.list", {"all": status != "alive"})
        if status == "dead":
            found = [runtime for runtime in found if runtime["status"] == "dead"]
        return list(_of_runtimes(found, incomplete))

    return complete


def executions(*statuses: str) -> Completer:
    """Return the completer of executions: the newest, or those in these statuses."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        params: dict[str, Any] = {"limit": _EXECUTIONS}
        if statuses:
            params["status"] = list(statuses)
        return list(_of_executions(_asked("execution.list", params), incomplete))

    return complete


def pending() -> Completer:
    """Return the completer of executions that are not over."""
    return executions(*_PENDING)


def either(*completers: Completer) -> Completer:
    """Return the completer of what several complete."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        return [item for each in completers for item in each(ctx, param, incomplete)]

    return complete


def kernels(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem | str]:
    """Complete what can be started."""
    found = _asked("environment.list", {})
    offered = [
        CompletionItem(each["name"], help=each.get("language") or "")
        for each in found
        if each["name"].startswith(incomplete) and _PLAIN.fullmatch(each["name"])
    ]
    return [*offered, CompletionItem(incomplete, type="file")] if "/" in incomplete else [*offered]


def files(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem | str]:
    """Complete files and directories."""
    return [CompletionItem(incomplete, type="file")]


def methods(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem | str]:
    """Complete the methods of the API."""
    from runtimed.api.registry import REGISTRY

    return [
        CompletionItem(name, help=(call.__doc__ or "").partition("\n")[0])
        for name, call in sorted(REGISTRY.items())
        if name.startswith(incomplete)
    ]


def _of_runtimes(found: list[dict[str, Any]], incomplete: str) -> Iterator[CompletionItem]:
    """Yield each by its name, where that alone means it, and by its short id."""
    names = [runtime["name"] for runtime in found]
    for runtime in found:
        name, id = runtime["name"], short(runtime["id"])
        is_plain = _PLAIN.fullmatch(name) is not None and names.count(name) == 1
        if is_plain and name.startswith(incomplete):
            yield CompletionItem(name, help=f"{id} {runtime['kernel_name']} {runtime['status']}")
        elif id.startswith(incomplete):
            yield CompletionItem(id, help=f"{name} {runtime['kernel_name']} {runtime['status']}")


def _of_executions(found: list[dict[str, Any]], incomplete: str) -> Iterator[CompletionItem]:
    for execution in found:
        if (id := short(execution["id"])).startswith(incomplete):
            yield CompletionItem(id, help=f"{execution['status']} {execution['code'] or ''}")


def _asked(method: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a daemon answers; nothing where none runs, or it takes its time."""
    from runtimed.managers.detached import holder_of
    from runtimed.paths import State, UnsafePath, state_dir

    try:
        # To connect to a socket that the service manager holds would start one.
        if not holder_of(State(state_dir()).daemon_lock):
            return []
        with _at_most(PATIENCE_S):
            found: list[dict[str, Any]] = session.call(method, params, start=False)
            return found
    except (CallFailed, UnsafePath, OSError):
        return []


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in what takes longer, wherever it waits."""

    def expire(number: int, frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
