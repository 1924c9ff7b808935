"""Unit files of systemd as text: filled in, read for the instance they are of, taken apart."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from runtimed.managers import files
from runtimed.managers.failures import ServiceFailure
from runtimed.managers.instance import AGREED, SOCKET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.managers.instance import Instance

SLICE = "runtimed.slice"
SOCKET_UNIT = "runtimed.socket"
KEEPER = "runtimed-keeper.service"
DAEMON = "runtimed.service"
UNITS = (SLICE, SOCKET_UNIT, KEEPER, DAEMON)

_FOLDER = "systemd"
_PROGRAM = "@RUNTIMED@"
_HOW_TO_CHANGE = "`systemctl --user edit` changes it for good"
#: systemd takes them in no way: "Executable name contains special characters".
_NOT_IN_PROGRAM = frozenset("\"'\\")
_PLAIN = re.compile(r"[\w/.:@+=,-]+", re.ASCII)
#: Keys that a transient unit has no use for, or that systemd-run knows by an option of its own.
_NOT_TRANSIENT = frozenset(("Documentation", "ExecReload", "Sockets", "Wants", "After"))


def quoted(word: str) -> str:
    """Return a word as a unit file takes it literally (systemd.syntax(7), systemd.unit(5))."""
    word = word.replace("%", "%%")
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def render(unit: str, program: str, instance: Instance) -> str:
    """Return the text of an installed unit. Raises `ServiceFailure` for a path it cannot have."""
    if set(program) & _NOT_IN_PROGRAM:
        raise ServiceFailure(f"systemd starts no program with quotes in its path: {program}")
    text = files.template(_FOLDER, unit).replace(_PROGRAM, quoted(program))
    unusual = instance.unusual()
    if unit.endswith(".service"):
        lines = "".join(line + "\n" for line in _environment(unusual))
        text = text.replace("[Service]\n", "[Service]\n" + lines, 1)
    elif unit == SOCKET_UNIT and SOCKET in unusual:
        path = unusual[SOCKET].replace("%", "%%")
        text = re.sub(r"(?m)^ListenStream=.*$", lambda _: f"ListenStream={path}", text, count=1)
    return f"# {files.mark(_HOW_TO_CHANGE)}\n{text}"


def _environment(variables: Mapping[str, str]) -> list[str]:
    return [f"Environment={quoted(f'{name}={value}')}" for name, value in variables.items()]


def is_of(text: str, instance: Instance) -> bool:
    """Return whether the text of an installed service is of this instance, and not another's."""
    return instance.is_served_by(variables_of(text))


def variables_of(text: str) -> dict[str, str]:
    """Return what the text of an installed service says of the instance that it is of."""
    lines = re.findall(r'(?m)^Environment=(?:"(.*)"|(.*))$', text)
    plain = [re.sub(r"\\(.)", r"\1", quoted) or bare for quoted, bare in lines]
    pairs = (line.replace("%%", "%").partition("=") for line in plain)
    return {name: value for name, _, value in pairs if name in AGREED}


def environment_of(shown: str) -> dict[str, str]:
    """Return the variables of `systemctl show-environment`, which quotes for a shell."""
    variables = {}
    for line in shown.splitlines():
        name, is_pair, value = line.partition("=")
        if value.startswith("$'"):
            escaped = value[2:-1].encode("latin-1", "backslashreplace")
            value = escaped.decode("unicode_escape")
        elif value.startswith(('"', "'")):
            value = shlex.split(value)[0]
        if is_pair:
            variables[name] = value
    return variables


def program_of(text: str) -> str | None:
    """Return the program that the text of an installed service starts."""
    found = re.search(r'(?m)^ExecStart=(?:"([^"]*)"|(\S+))', text)
    return (found[1] or found[2]).replace("%%", "%") if found else None


def transient(unit: str) -> tuple[list[str], list[str]]:
    """Return a shipped service as `systemd-run` takes it: properties, and arguments of the program.

    Unlike the installed one it stays away once it has ended in order: nobody is to find the
    leavings of what was never installed.
    """
    properties, arguments = [], []
    for line in files.template(_FOLDER, unit).splitlines():
        key, is_pair, value = line.partition("=")
        if not is_pair or line.startswith("#"):
            continue
        if key == "ExecStart":
            arguments = value.removeprefix(_PROGRAM).split()
        elif key == "Restart":
            properties.append("Restart=on-failure")
        elif key in ("WantedBy", "Also") or key in _NOT_TRANSIENT:
            continue
        else:
            properties.append(line)
    return properties, arguments
