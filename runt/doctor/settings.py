"""The settings' file, whether the daemon goes by it, and the variables that override it."""

from __future__ import annotations

import difflib
import os
import tomllib
from typing import TYPE_CHECKING

from runt.doctor import remedies
from runt.doctor.examination import Examination, Unanswered
from runt.doctor.finding import Finding, some
from runt.render import home
from runtimed import config
from runtimed.config import BadSetting, load, variables
from runtimed.paths import config_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runtimed.config import Loaded

_PREFIX = "RUNTIMED_"


def settings(e: Examination) -> Iterator[Finding]:
    """Look for what is wrong in the file, and for what the daemon has not taken over."""
    check = "settings"
    try:
        loaded = load()
    except BadSetting as error:
        yield Finding(check, "problem", str(error), _mend(config_file()))
        return
    if "RUNTIMED_CONFIG" in os.environ and not os.path.exists(loaded.file):
        text = f"RUNTIMED_CONFIG names {home(loaded.file)}, which is not there: it sets nothing"
        yield Finding(check, "note", text, "unset RUNTIMED_CONFIG, or `runt config set` makes it")
    try:
        in_force = e.ask("daemon.config", {})
    except Unanswered:
        yield Finding(check, "ok", _is_there(loaded, "can be used"))
        return
    if in_force["file"] != config_file():
        text = f"the daemon reads another file: {home(in_force['file'])}"
        yield Finding(check, "problem", text, _agree(e, in_force["file"]))
        return
    waiting = [
        found["name"]
        for found in in_force["settings"]
        if found["source"] != "environment" and found["value"] != getattr(loaded, found["name"])
    ]
    if waiting:
        text = f"the daemon has not taken over {some(waiting)}"
        yield Finding(check, "note", text, remedies.restart(e), {"names": waiting})
    else:
        yield Finding(check, "ok", _is_there(loaded, "is in force"))


def _mend(path: str) -> str:
    """Return what puts right a file that cannot be used: only what can be read can be edited."""
    try:
        with open(path, "rb") as file:
            tomllib.load(file)
    except FileNotFoundError:
        return "set or unset that variable"
    except OSError:
        return f"make {path} a file of yours that can be read, or move it away"
    except ValueError:
        return f"edit {path}, or move it away"
    return "`runt config unset KEY`, or edit the file"


def _is_there(loaded: Loaded, what: str) -> str:
    if os.path.exists(loaded.file):
        return f"{home(loaded.file)} {what}"
    return f"there is no file {home(loaded.file)}, which sets nothing"


def _agree(e: Examination, file: str) -> str:
    """Return how daemon and shell come to read the same file."""
    for name in ("RUNTIMED_CONFIG", "XDG_CONFIG_HOME"):
        if name in os.environ:
            here = f"unset {name}"
            break
    else:
        here = f"set RUNTIMED_CONFIG={file} here too"
    # Only one that nobody else starts has its variables from this shell.
    return f"{here}, or `{remedies.RESTART}`" if e.status.manager == "detached" else here


def environment(e: Examination) -> Iterator[Finding]:
    """Look for variables that are called like ours, and that nothing reads."""
    check = "variables"
    unknown = unread(os.environ)
    if not unknown:
        yield Finding(check, "ok", "each RUNTIMED_* variable here is one that is read")
        return
    known = sorted(_known())
    said = []
    for name in unknown:
        close = difflib.get_close_matches(name, known, n=1)
        said.append(name + (f" (did you mean {close[0]}?)" if close else ""))
    text = f"nothing reads {some(said)}"
    yield Finding(check, "note", text, f"unset {' '.join(unknown)}", {"names": unknown})


def unread(environ: Iterable[str]) -> list[str]:
    """Return the variables that are called like ours, and are not."""
    known = _known()
    return sorted(name for name in environ if name.startswith(_PREFIX) and name not in known)


def _known() -> set[str]:
    groups = (variables.PLACES, variables.OF_RUNT, variables.OF_KERNELS, variables.OF_PROCESSES)
    named = {variable.name for group in groups for variable in group}
    return named | {setting.variable for setting in config.settings().values()}
