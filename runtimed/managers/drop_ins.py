"""What systemd starts for a unit, with its drop-ins: read from `systemctl show`, to be tried."""

from __future__ import annotations

import glob
import os
import re
import shlex
from typing import TYPE_CHECKING

from runtimed.managers.failures import Unfit

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What is asked of the unit; see systemd.exec(5) and systemd.service(5).
PROPERTIES = "Environment,EnvironmentFiles,ExecStart,UnsetEnvironment"
_ARGUMENTS = ["--take-over"]
_EXEC = re.compile(r"(?m)^ExecStart=\{ path=(.*?) ; argv\[\]=(.*?) ; ignore_errors=")
_FILE = re.compile(r"(?m)^EnvironmentFiles=(.+) \(ignore_errors=(yes|no)\)$")
#: A value ends at the line's end, unless that is escaped or quoted.
_ASSIGNED = re.compile(
    r"""^[ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\\\n])*)""",
    re.MULTILINE | re.DOTALL,
)
_PART = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|((?:\\.|[^\\'"])+)""", re.DOTALL)


def command_of(shown: str, installed: str | None, program: str) -> list[str]:
    """Return the command that says by ``--check`` whether the unit's program could start.

    That is ``program``, which is about to take the place of the ``installed`` one, unless a drop-in
    has another. A wrapper of which nobody knows what it makes of an argument is not run. Raises
    `Unfit` for a program that is not there.
    """
    found = _EXEC.search(shown)
    if found is None:
        return [program]
    path, line = found.groups()
    if path == installed:
        return [program]
    if not os.access(path, os.X_OK):
        raise Unfit(1, f"{path}, which the unit starts, is no program that can be run")
    # The words of the line are not told apart; the path is.
    words = line.removeprefix(path).split()
    if os.path.basename(path) == "runtimed":
        return [path]
    if words[-1:] == _ARGUMENTS and "$" not in line and line.startswith(path):
        is_env = os.path.basename(path) == "env" and os.path.basename(words[-2]) == "runtimed"
        is_python = words[-3:-1] == ["-m", "runtimed"]
        if is_env or is_python:
            return [path, *words[:-1]]
    return [program]


def environment_of(shown: str) -> dict[str, str]:
    """Return the variables of ``Environment=``, of unit and drop-ins."""
    found = re.search(r"(?m)^Environment=(.*)$", shown)
    words = shlex.split(found[1]) if found else []
    return dict(word.split("=", 1) for word in words if "=" in word)


def with_files(environ: Mapping[str, str], shown: str) -> dict[str, str]:
    """Return the environment with what files add, and without what is unset at last.

    Raises `Unfit` for a file that cannot be read, and has to be.
    """
    whole = dict(environ)
    for path, is_optional in _FILE.findall(shown):
        paths = sorted(glob.glob(path))
        if not paths and is_optional == "no":
            raise Unfit(1, f"{path}, an EnvironmentFile= of the unit, is not there")
        for each in paths:
            try:
                with open(each, encoding="utf-8", errors="surrogateescape") as file:
                    whole |= assigned(file.read())
            except OSError as error:
                if is_optional == "no":
                    raise Unfit(1, f"{each}, an EnvironmentFile=: {error.strerror}") from None
    found = re.search(r"(?m)^UnsetEnvironment=(.*)$", shown)
    for word in shlex.split(found[1]) if found else ():
        name, is_pair, value = word.partition("=")
        if not is_pair or whole.get(name) == value:
            whole.pop(name, None)
    return whole


def assigned(text: str) -> dict[str, str]:
    """Return the variables that an ``EnvironmentFile=`` assigns (systemd.exec(5))."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("#", ";"))]
    return {
        name: "".join(map(_unquoted, _PART.finditer(value.rstrip(" \t"))))
        for name, value in _ASSIGNED.findall("\n".join(lines) + "\n")
    }


def _unquoted(part: re.Match[str]) -> str:
    single, double, bare = part.groups()
    if single is not None:
        return single
    if double is not None:
        return re.sub(r'\\([\\"`$\n])', lambda found: found[1].strip("\n"), double)
    return re.sub(r"\\(.)", lambda found: found[1].strip("\n"), bare, flags=re.DOTALL)
