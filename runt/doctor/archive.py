"""What a report of a bug needs, in one file: nothing that was computed, and nothing secret.

It is made of what is listed here and of nothing else: no code, outputs, names of runtimes or
notebooks, keys, or values of environment variables are ever asked for.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import sqlite3
import sys
import tarfile
import time
from typing import TYPE_CHECKING, Any

from runt.doctor import record
from runt.doctor.examination import Examination, Unanswered
from runtimed import __version__
from runtimed.config import BadSetting, load, settings
from runtimed.managers.failures import ServiceFailure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runt.doctor.finding import Finding

#: So many entries of the log's end.
LOG_ENTRIES = 2_000
_README = """\
Written by `runt doctor --archive`, for a report of a bug. Look through it before you pass it on.

doctor.json    what was checked, and what was found
versions.json  of runt, daemon, keeper, Python, the system and the packages
settings.json  each setting, and where it is from
service.json   what the service manager says
record.json    runtimes and executions, without names, code and outputs
log.txt        the end of the log of daemon and keeper; of tracebacks the places only

Home is written ~. There is no code, no output, no key and no value of an environment variable.
"""
_PACKAGES = ("apsw", "click", "ipykernel", "jupyter_client", "msgspec", "pyzmq", "psutil")
#: What a runtime is known by in the archive.
_OF_RUNTIME = (
    *("id", "kernel_name", "language", "status", "activity", "last_keepalive", "origin", "record"),
    *("incarnation", "transport", "private", "created_at", "ended_at", "rss_bytes", "cpu_percent"),
    *("queue_length", "idle_stop_s", "limits", "scope"),
)
_OF_STATUS = (
    *("version", "started_at", "runtimes", "database_bytes", "blobs_bytes", "journal_bytes"),
    *("rss_bytes", "store"),
)
_OF_EXIT = ("code", "signal", "reason")
#: What looks like a credential in a line of the log, whoever has written it there.
_SECRETS = re.compile(
    r"(?i)\b(token|key|password|passwd|secret|signature|authorization)\b(\W{1,3})[^\s&,;'\"]+"
)
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
#: Of what follows an entry's first line, what is kept: where in the code it was.
_PLACE = re.compile(r'\s*(?:Traceback \(most recent call last\):|File "[^"]*", line \d+.*)')


def write(path: str, findings: Sequence[Finding]) -> None:
    """Write the archive, for us alone to read. Raises `OSError`; what is there is left alone."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for name, text in _files(Examination(), findings).items():
                    _add(archive, name, _without_home(text))
    except BaseException:
        os.unlink(path)
        raise


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode("utf-8", "replace")
    info = tarfile.TarInfo(f"runtimed-doctor/{name}")
    info.size, info.mtime, info.mode = len(data), int(time.time()), 0o600
    archive.addfile(info, io.BytesIO(data))


def _files(e: Examination, findings: Sequence[Finding]) -> dict[str, str]:
    documents = {
        "doctor.json": [
            {"check": f.check, "status": f.status, "text": f.text, "remedy": f.remedy}
            for f in findings
        ],
        "versions.json": _versions(e),
        "settings.json": _settings(),
        "service.json": _service(e),
        "record.json": _record(e),
    }
    texts = {name: json.dumps(each, indent=2) + "\n" for name, each in documents.items()}
    return {"README.txt": _README, **texts, "log.txt": _log(e)}


def _versions(e: Examination) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "missing"
    found: dict[str, Any] = {
        "runt": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "packages": packages,
    }
    try:
        found["daemon"] = e.greeting["version"]
        found["keeper"] = e.report["keeper"]
    except Unanswered as unanswered:
        found["daemon"] = str(unanswered)
    return found


def _settings() -> Any:
    try:
        loaded = load()
    except BadSetting as error:
        return {"error": str(error)}
    return {
        name: {"value": getattr(loaded, name), "source": loaded.sources[name]}
        for name in settings()
    }


def _service(e: Examination) -> dict[str, Any]:
    try:
        status = e.status
    except ServiceFailure as failure:
        return {"error": str(failure)}
    return {
        "manager": status.manager,
        "installed": status.installed,
        "running": status.running,
        "enabled": status.enabled,
        "linger": status.linger,
        "program": status.program,
        "units": [vars(unit) for unit in status.units],
        "files": [file._asdict() for file in status.files],
    }


def _record(e: Examination) -> dict[str, Any]:
    found: dict[str, Any] = {"executions": _executions(e)}
    try:
        status = e.ask("daemon.status", {})
        found["daemon"] = {name: status[name] for name in _OF_STATUS if name in status}
        found["runtimes"] = [_runtime(each) for each in e.runtimes]
    except Unanswered as unanswered:
        found.setdefault("daemon", str(unanswered))
    return found


def _executions(e: Examination) -> dict[str, int] | str:
    """Return how many there are of each status, or why that cannot be known."""
    try:
        return record.executions(e.instance.state)
    except sqlite3.Error as error:
        return str(error)


def _runtime(found: dict[str, Any]) -> dict[str, Any]:
    known = {name: found[name] for name in _OF_RUNTIME if name in found}
    ended, owner = found.get("exit") or {}, found.get("owner") or {}
    return known | {
        "exit": {name: ended.get(name) for name in _OF_EXIT} if ended else None,
        "owner": owner.get("kind"),
    }


def _log(e: Examination) -> str:
    from runt import service_logs
    from runt.failures import Failure

    try:
        entries = service_logs.last_entries(e.manager.logs(), LOG_ENTRIES)
    except (ServiceFailure, Failure, OSError) as error:
        return f"the log cannot be read: {error}\n"
    return "".join(map(_entry, entries))


def _entry(found: dict[str, Any]) -> str:
    """Return an entry less what may have come from a user's code: the words of an exception."""
    from runt import service_logs

    first, *rest = str(found["message"]).split("\n")
    if "identifier" not in found and not _PLACE.fullmatch(first):
        # What a library or the interpreter wrote, and not we.
        first = f"[{len(first)} characters]"
    places = [line for line in rest if _PLACE.fullmatch(line)]
    left_out = len(rest) - len(places)
    if left_out:
        places.append(f"[{left_out} lines are left out]")
    return service_logs.text({**found, "message": "\n".join([_plain(first), *places])})


def _plain(line: str) -> str:
    return _USER_INFO.sub("", _SECRETS.sub(r"\1\2…", line))


def _without_home(text: str) -> str:
    """Return the text with the home directory as ``~``, where it is no mere beginning of a name."""
    for home in {os.path.expanduser("~"), os.path.realpath(os.path.expanduser("~"))}:
        if home not in ("/", ""):
            text = re.sub(re.escape(home) + r"(?![\w.-])", "~", text)
    return text
