"""What a caller brings along: its project, its directory, its environment variables."""

from __future__ import annotations

import os

from runt.failures import UsageFailure
from runtimed.environ import as_text, inheritable, of_caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Any of these makes a directory a project.
MARKERS = (".git", "pyproject.toml", ".venv")


def cwd() -> str:
    """Return the working directory, by the name that the shell has for it."""
    named = os.environ.get("PWD", "")
    try:
        if os.path.isabs(named) and os.path.samefile(named, "."):
            return named
    except OSError:
        pass
    return os.getcwd()


def find(directory: str) -> str:
    """Return the nearest directory, from this one up, that has a marker; else this one.

    The real path: a project that is reached through a link is the same project.
    """
    start = place = os.path.realpath(directory)
    while True:
        if any(os.path.exists(os.path.join(place, marker)) for marker in MARKERS):
            return place
        above = os.path.dirname(place)
        if above == place:
            return start
        place = above


def environment(added: Iterable[str] = (), *, clean: bool = False) -> dict[str, str]:
    """Return the variables for a kernel that is started now: the caller's, less its session's.

    ``clean`` begins with what a login has (HOME, USER, LOGNAME, PATH, LANG, SHELL, TMPDIR) in
    place of all; ``added`` are ``NAME=VALUE`` strings, or a ``NAME`` taken from the caller.
    Raises `UsageFailure` for one that is neither.
    """
    taken = of_caller(os.environ)
    if clean:
        login = {n: v for n, v in inheritable(os.environ).items() if n in _LOGIN_VARIABLES}
        taken = {name: as_text(value) for name, value in login.items()}
    for item in added:
        name, equals, value = item.partition("=")
        if not name:
            raise UsageFailure(f"--env takes NAME=VALUE or NAME, not {item!r}")
        if not equals and name not in os.environ:
            raise UsageFailure(f"--env {name}: there is no variable of that name here to pass on")
        taken[as_text(name)] = as_text(value if equals else os.environ[name])
    return taken


_LOGIN_VARIABLES = frozenset(("HOME", "USER", "LOGNAME", "PATH", "LANG", "SHELL", "TMPDIR"))
