"""Others of the same name: programs on PATH, units, plists, sockets."""

from __future__ import annotations

import glob
import os
import stat
import sys
from typing import TYPE_CHECKING

from runt.doctor.finding import Finding, some
from runt.render import home
from runtimed.managers.files import version_of
from runtimed.managers.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runt.doctor.examination import Examination

PROGRAMS = ("runt", "runtimed")
#: What our own programs have in them, written by pip, uv or pipx.
_MARKS = {"runt": b"runt.cli", "runtimed": b"runtimed.main"}
_HEAD_BYTES = 4096
#: Where others that are called runtimed have put their units, plists and sockets.
_UNIT_DIRECTORIES = (
    "~/.config/systemd/user",
    "~/.local/share/systemd/user",
    "/etc/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
)
_FILES = (
    *(
        f"{place}/*runtimed*.{kind}"
        for place in _UNIT_DIRECTORIES
        for kind in ("service", "socket")
    ),
    "~/Library/LaunchAgents/*runtimed*.plist",
    "/Library/LaunchAgents/*runtimed*.plist",
)
_SOCKETS = ("~/.cache/*/runtimed*.sock", "~/Library/Caches/*/runtimed*.sock")


def programs(e: Examination) -> Iterator[Finding]:
    """Look at what a shell finds by our programs' names."""
    sound = True
    here = os.path.dirname(sys.executable)
    for name in PROGRAMS:
        found = on_path(name, os.environ.get("PATH", ""))
        strangers = [path for path in found if not _is_ours(name, path)]
        rest = [path for path in found if path not in strangers and not _is_here(path, here)]
        if strangers:
            sound = False
            yield _stranger(name, strangers, is_first=found[0] == strangers[0])
        if rest:
            sound = False
            yield Finding(
                "programs",
                "note",
                f"another installation of ours has a {name} on PATH: {some(rest)}",
                "uninstall one, or restart the service from the one that is to be used",
                {"names": rest},
            )
        if found and found[0] in rest:
            yield Finding(
                "programs",
                "problem",
                f"`{name}` typed in a shell is {home(found[0])}, and not the one beside {here}",
                f"put {here} before it on PATH, or uninstall it",
            )
    if sound:
        yield Finding("programs", "ok", "there is no other runt or runtimed on PATH")


def _stranger(name: str, paths: list[str], *, is_first: bool) -> Finding:
    text = f"{some([home(path) for path in paths])} is another product's {name}"
    if is_first:
        text += ", and what a shell finds first"
    remedy = "call ours by its whole path, or put its directory first on PATH"
    return Finding("programs", "problem" if is_first else "note", text, remedy, {"names": paths})


def on_path(name: str, path: str) -> list[str]:
    """Return the programs of that name, in the order in which a shell looks; each once."""
    found: dict[str, str] = {}
    for place in path.split(os.pathsep):
        program = os.path.join(place, name)
        if os.path.isabs(place) and os.path.isfile(program) and os.access(program, os.X_OK):
            found.setdefault(os.path.realpath(program), program)
    return list(found.values())


def _is_ours(name: str, path: str) -> bool:
    """Return whether it is a program of this package, of whichever installation."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return head.startswith(b"#!") and _MARKS[name] in head


def _is_here(path: str, here: str) -> bool:
    return os.path.realpath(os.path.dirname(os.path.realpath(path))) == os.path.realpath(here)


def products(e: Examination) -> Iterator[Finding]:
    """Look for units, plists and sockets of others that are called as ours are."""
    check = "other-products"
    inside = in_our_place(e)
    for path in inside:
        text = f"{home(path)} is not ours, and in the place of ours"
        away = "move it away"
        if os.path.realpath(path) == os.devnull:
            text = f"{home(path)} masks our unit"
            away = f"`systemctl --user unmask {os.path.basename(path)}`"
        yield Finding(check, "problem", text, f"{away}, then `runt service install`")
    files = [path for path in _globbed(_FILES) if path not in inside and not _is_marked(path)]
    sockets = [path for path in _globbed(_SOCKETS) if path != e.instance.socket and _is_one(path)]
    if files or sockets:
        names = [home(path) for path in (*files, *sockets)]
        text = f"another product of a like name has left its traces: {some(names)}"
        yield Finding(check, "note", text, data={"names": names})
    elif not inside:
        yield Finding(check, "ok", "no other product has files of the names of ours")


def in_our_place(e: Examination) -> list[str]:
    """Return the files of others for whose sake `runt service install` refuses."""
    names = UNITS if e.status.manager == "systemd" else ()
    paths = [os.path.join(place, name) for place in _UNIT_DIRECTORIES for name in names]
    units = [path for path in map(os.path.expanduser, paths) if os.path.lexists(path)]
    foreign = [file.path for file in e.status.files if file.state == "foreign"]
    return list(dict.fromkeys([*foreign, *(path for path in units if not _is_marked(path))]))


def _globbed(patterns: tuple[str, ...]) -> list[str]:
    return sorted(path for each in patterns for path in glob.glob(os.path.expanduser(each)))


def _is_marked(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return version_of(file.read()) is not None
    except OSError:
        return False


def _is_one(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
