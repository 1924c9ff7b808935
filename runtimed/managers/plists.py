"""LaunchAgents as text: filled in, and checked as far as can be without launchd."""

from __future__ import annotations

import os
import plistlib
from typing import TYPE_CHECKING

from runtimed.managers import files
from runtimed.managers.instance import AGREED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from runtimed.managers.instance import Instance

DAEMON = "dev.runtimed.daemon"
KEEPER = "dev.runtimed.keeper"
LABELS = (KEEPER, DAEMON)

_FOLDER = "launchd"
_HOW_TO_CHANGE = "settings belong into the file of `runt config path`"
#: An agent does not get the shell's.
_PATH = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")

#: The keys that we use, and what launchd.plist(5) takes for them.
KEYS: Mapping[str, type] = {
    "AbandonProcessGroup": bool,
    "EnvironmentVariables": dict,
    "ExitTimeOut": int,
    "HardResourceLimits": dict,
    "KeepAlive": dict,
    "Label": str,
    "LimitLoadToSessionType": list,
    "ProcessType": str,
    "ProgramArguments": list,
    "RunAtLoad": bool,
    "SoftResourceLimits": dict,
    "Sockets": dict,
    "StandardErrorPath": str,
    "StandardOutPath": str,
    "ThrottleInterval": int,
    "Umask": int,
}
_SOCKET_KEYS: Mapping[str, type] = {
    "SockFamily": str,
    "SockPathMode": int,
    "SockPathName": str,
    "SockType": str,
}


def logs_dir() -> str:
    """Return the directory of the logs, where macOS's Console looks."""
    return os.path.expanduser("~/Library/Logs/runtimed")


def log_of(label: str) -> str:
    """Return the file that launchd writes a job's output to."""
    return os.path.join(logs_dir(), f"{label.rpartition('.')[2]}.log")


def render(label: str, program: str, instance: Instance) -> str:
    """Return the text of an installed plist."""
    filled = {
        "@RUNTIMED@": program,
        "@HOME@": os.path.expanduser("~"),
        "@PATH@": ":".join(dict.fromkeys((os.path.dirname(program), *_PATH))),
        "@SOCKET@": instance.socket,
        "@STATE_DIR@": instance.state_dir,
        "@LOGS@": logs_dir(),
    }
    template = files.template(_FOLDER, f"{label}.plist")
    plist = _fill(plistlib.loads(template.encode()), filled)
    plist["EnvironmentVariables"] |= instance.variables()
    text = plistlib.dumps(plist, sort_keys=False).decode()
    head, separator, body = text.partition("<plist ")
    return f"{head}<!-- {files.mark(_HOW_TO_CHANGE)} -->\n{separator}{body}"


def _fill(value: Any, filled: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for placeholder, text in filled.items():
            value = value.replace(placeholder, text)
        return value
    if isinstance(value, dict):
        return {key: _fill(item, filled) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, filled) for item in value]
    return value


def is_of(text: str, instance: Instance) -> bool:
    """Return whether the text of an installed plist is of this instance."""
    return instance.is_served_by(variables_of(text))


def variables_of(text: str) -> dict[str, str]:
    """Return what the text of an installed plist says of the instance that it is of."""
    there = _loaded(text).get("EnvironmentVariables", {})
    return {name: value for name, value in there.items() if name in AGREED}


def environment_of(label: str, program: str, instance: Instance) -> dict[str, str]:
    """Return the environment that a job gets."""
    plist = _loaded(render(label, program, instance))
    return dict(plist["EnvironmentVariables"])


def program_of(text: str) -> str | None:
    """Return the program that the text of an installed plist starts."""
    arguments = _loaded(text).get("ProgramArguments") or [None]
    return arguments[0] if isinstance(arguments[0], str) else None


def _loaded(text: str) -> dict[str, Any]:
    try:
        return dict(plistlib.loads(text.encode()))
    except (ValueError, plistlib.InvalidFileException):
        return {}


def faults(plist: Mapping[str, Any]) -> Iterator[str]:
    """Yield what launchd would not take, or would take for something else than we mean."""
    yield from _faults_of_types(plist, KEYS, "")
    arguments = plist.get("ProgramArguments") or [""]
    paths = [("ProgramArguments", arguments[0])]
    paths += [(key, plist[key]) for key in plist if key.endswith("Path")]
    for name, entry in plist.get("Sockets", {}).items():
        yield from _faults_of_types(entry, _SOCKET_KEYS, f"Sockets.{name}.")
        paths.append((f"Sockets.{name}.SockPathName", entry.get("SockPathName", "")))
        if entry.get("SockPathMode") != 0o600:
            yield f"Sockets.{name}.SockPathMode is not 384, which is 0600"
    for key, path in paths:
        if not os.path.isabs(path):
            yield f"{key} is not an absolute path: {path!r}"
    for key, text in _strings(plist, ""):
        if text.startswith("~") or "$" in text or "@" in text.partition("/")[0]:
            yield f"{key} is expanded by nobody: {text!r}"
    if plist.get("ProcessType") not in ("Interactive", "Standard"):
        yield "ProcessType throttles the kernels, which inherit it"
    if plist.get("KeepAlive", {}).keys() - {"SuccessfulExit"}:
        yield "KeepAlive has more conditions than SuccessfulExit"


def _faults_of_types(
    entry: Mapping[str, Any], allowed: Mapping[str, type], prefix: str
) -> Iterator[str]:
    for key, value in entry.items():
        if key not in allowed:
            yield f"{prefix}{key} is no key of launchd.plist(5) that we use"
        elif type(value) is not allowed[key]:
            yield f"{prefix}{key} is not a {allowed[key].__name__}: {value!r}"


def _strings(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
