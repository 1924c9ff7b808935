"""``runt config``: the settings, where each is from, and how to change one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import click

from runt import exits, jsonout, render, session
from runt.failures import DeniedFailure, UsageFailure
from runt.options import json_option, quiet_option
from runtimed.client.connecting import CallFailed, Nobody
from runtimed.config import BadSetting, find, load, settings
from runtimed.paths import config_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from click.shell_completion import CompletionItem

    from runtimed.config import Loaded


T = TypeVar("T")


_COLUMNS: tuple[render.Column, ...] = (
    ("Setting", lambda s: s["name"]),
    ("Value", lambda s: _shown(s, s["value"]) or "-"),
    ("Source", lambda s: s["variable"] if s["source"] == "environment" else s["source"]),
)
_RESTART_COLUMN: render.Column = (
    "Changes at",
    lambda s: "restart" if s["needs_restart"] else "once",
)
_DAEMON_COLUMN: render.Column = ("Daemon", lambda s: _differing(s) or "-")
_ABOUT_COLUMN: render.Column = ("", lambda s: s["about"])


def _shown(setting: dict[str, Any], value: Any) -> str:
    return find(setting["name"]).show(value)


def _differing(setting: dict[str, Any]) -> str:
    """Return the daemon's value where it is another, and what it would take to change that."""
    in_force = setting["daemon"]
    if in_force is None or in_force["value"] == setting["value"]:
        return ""
    value = _shown(setting, in_force["value"]) or "empty"
    if in_force["source"] == "environment":
        return f"{value} (its {setting['variable']})"
    return f"{value} ({'restart' if setting['needs_restart'] else 'reload'})"


def _complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem | str]:
    return [name for name in settings() if name.startswith(incomplete)]


def _complete_value(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem | str]:
    """Return the choices of the setting that is named before, in the case that is typed."""
    setting = settings().get(str(ctx.params.get("key")))
    choices = setting.choices if setting is not None else ()
    return [choice for choice in choices if choice.lower().startswith(incomplete.lower())]


_key_argument = click.argument("key", metavar="KEY", shell_complete=_complete)


@click.group("config", no_args_is_help=True)
def command() -> None:
    """Show the daemon's settings, and change them in their file."""


@command.command("list")
@quiet_option
@json_option
def list_(quiet: bool, as_json: bool) -> None:
    """List every setting with its value, and where that is from: default, file or environment.

    Marked is what a daemon takes over at its next restart only. Where a daemon answers whose value
    is another, that is shown too. Starts none.
    """
    documents = _documents(_checked(load), _of_daemon("daemon.config"))
    if as_json:
        jsonout.print_document("settings", documents)
    elif quiet:
        click.echo("".join(f"{setting['name']}\n" for setting in documents), nl=False)
    else:
        extra = (_DAEMON_COLUMN,) if any(map(_differing, documents)) else ()
        columns = (*_COLUMNS, _RESTART_COLUMN, *extra, _ABOUT_COLUMN)
        click.echo(render.listing(documents, columns, cut_last=True), nl=False)


def _documents(loaded: Loaded, daemons: dict[str, Any] | None) -> list[dict[str, Any]]:
    in_force = {s["name"]: s for s in (daemons or {}).get("settings", ())}
    return [
        {
            "name": name,
            "value": getattr(loaded, name),
            "unit": setting.unit,
            "source": loaded.sources[name],
            "default": setting.default,
            "variable": setting.variable,
            "needs_restart": setting.needs_restart,
            "about": setting.about,
            "daemon": {k: in_force[name][k] for k in ("value", "source")}
            if name in in_force
            else None,
        }
        for name, setting in settings().items()
    ]


@command.command("get")
@_key_argument
@quiet_option
@json_option
def get(key: str, quiet: bool, as_json: bool) -> None:
    """Print the value of KEY: sizes in bytes, times in seconds."""
    setting = _checked(lambda: find(key))
    loaded = _checked(load)
    value = getattr(loaded, setting.name)
    if as_json:
        document = {"name": key, "value": value, "source": loaded.sources[key]}
        jsonout.print_document("setting", document)
    else:
        click.echo(str(value).removesuffix(".0"))


@command.command("set", context_settings={"ignore_unknown_options": True})
@_key_argument
@click.argument("value", shell_complete=_complete_value)
@quiet_option
@json_option
def set_(key: str, value: str, quiet: bool, as_json: bool) -> int:
    """Set KEY to VALUE in the file, and tell a daemon that runs to read it again.

    Sizes and times take a unit: 64MiB, 30s. A VALUE that does not fit is refused.
    """
    from runtimed.config.editing import set_value

    _written(lambda: set_value(config_file(), key, value))
    return _tell(key, f"{key} is set", quiet=quiet, as_json=as_json)


@command.command("unset")
@_key_argument
@quiet_option
@json_option
def unset(key: str, quiet: bool, as_json: bool) -> int:
    """Take KEY out of the file: the default holds again. Also for a KEY that is no setting."""
    from runtimed.config.editing import unset as unset_in

    was_set = _written(lambda: unset_in(config_file(), key))
    said = f"{key} is unset" if was_set else f"{key} was not set"
    return _tell(key, said, quiet=quiet, as_json=as_json)


@command.command("path")
@quiet_option
@json_option
def path(quiet: bool, as_json: bool) -> None:
    """Print the path of the settings' file, whether or not it is there."""
    if as_json:
        jsonout.print_document("path", config_file())
    else:
        click.echo(config_file())


def _checked(read: Callable[[], T]) -> T:
    try:
        return read()
    except BadSetting as error:
        raise UsageFailure(str(error)) from None


def _written(write: Callable[[], T]) -> T:
    try:
        return _checked(write)
    except OSError as error:
        raise DeniedFailure(f"{config_file()} was not written: {error.strerror}") from None


def _of_daemon(method: str) -> dict[str, Any] | None:
    """Return what a daemon that runs answers; None where none runs, or it is of an older kind."""
    try:
        answer: dict[str, Any] = session.call(method, {}, start=False)
    except Nobody:
        return None
    except CallFailed as failure:
        if failure.name != "MethodNotFound":
            raise
        _note("the daemon that runs is of a version that knows no settings' file; restart it")
        return None
    return answer


def _tell(key: str, done: str, *, quiet: bool, as_json: bool) -> int:
    """Say what was done, have a daemon read the file, and say what that has come to."""
    reloaded: dict[str, Any] | None = None
    code = exits.OK
    try:
        reloaded = _of_daemon("daemon.reload")
    except CallFailed as failure:
        _note(f"{done}, but the daemon does not take it: {failure}")
        code = failure.exit_code
    if as_json:
        jsonout.print_document("changed", {"name": key, "daemon": reloaded})
    elif quiet:
        click.echo(key)
    else:
        click.echo(done)
    if reloaded is not None:
        _say_what_is_left(key, reloaded)
    elif key in settings() and settings()[key].variable in os.environ:
        _note(f"{settings()[key].variable} is set here, and overrides the file")
    return code


def _say_what_is_left(key: str, reloaded: dict[str, Any]) -> None:
    """Say why the daemon goes on with another value, if it does."""
    if reloaded["file"] != config_file():
        _note(f"the daemon that runs reads another file: {reloaded['file']}")
    elif key in reloaded["needs_restart"]:
        _note("it takes effect when the daemon is restarted")
    elif key not in reloaded["changed"] and key in settings():
        in_force = {
            s["name"]: s for s in (_of_daemon("daemon.config") or {"settings": ()})["settings"]
        }
        if key in in_force and in_force[key]["source"] == "environment":
            _note(f"{settings()[key].variable} in the daemon's environment overrides it")


def _note(text: str) -> None:
    click.echo(f"runt: {text}", err=True)
