"""The log of daemon and keeper, from wherever it is: the journal, or files.

The same lines and the same documents, whichever it is.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import re
import subprocess
import sys
import time
from collections import deque
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from runt import exits, jsonout
from runt.failures import Failure
from runt.ids import short
from runt.when import moment
from runtimed.logs.following import Follower

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import IO, Any

    from runtimed.managers.protocol import LogPlaces

#: syslog(3)'s priorities, by number.
_PRIORITIES = ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug")
#: So many entries are printed where nobody says how many, nor since when.
_LINES = 50
#: How often files are looked at: no event of theirs can be had on every system.
_LOOK_S = 0.25
#: A line as `runtimed.logs.entry` writes it; a line of any other kind goes with the one before.
_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT[\d:.]+Z) (?P<identifier>[\w-]+)\[(?P<pid>\d+)\] "
    r"(?P<priority>[a-z]+): (?:\[(?P<runtime>[0-9A-Z]{26})(?:/(?P<execution>[0-9A-Z]{26}))?\] )?"
    r"(?P<message>.*)"
)
_CONTINUED = "    "


def print_logs(
    places: LogPlaces, *, lines: int | None, since: str | None, follow: bool, as_json: bool
) -> int:
    """Print the log, and what comes; ``since`` is a moment as people write it."""
    begin = None if since is None else moment(since, datetime.now(UTC))
    if lines is None and begin is None:
        lines = _LINES
    if places.journal:
        _print(_of_the_journal(places.journal, lines, begin, follow), follow, as_json)
    else:
        _print(_of_files(places.files, lines, begin, follow), follow, as_json)
    return exits.OK


def last_entries(places: LogPlaces, lines: int) -> list[dict[str, Any]]:
    """Return so many entries of the end of the log, as documents."""
    if places.journal:
        return list(_of_the_journal(places.journal, lines, None, follow=False))
    return list(_of_files(places.files, lines, None, follow=False))


def _of_the_journal(
    argv: Sequence[str], lines: int | None, since: str | None, follow: bool
) -> Iterator[dict[str, Any]]:
    """Return what is in the journal, and then what comes."""
    if since is None or lines is None:
        with _journalctl(
            argv,
            f"--lines={'all' if lines is None else lines}",
            *_since(since),
            *(["--follow"] if follow else []),
        ) as printed:
            yield from map(_of_journal, printed)
        return
    # Together with --since, journalctl's --lines counts from the beginning.
    with _journalctl(argv, "--lines=all", *_since(since)) as printed:
        last = deque(printed, maxlen=max(lines, 1))
    yield from map(_of_journal, last if lines else ())
    if follow:
        after = [f"--after-cursor={json.loads(last[-1])['__CURSOR']}"] if last else _since(since)
        with _journalctl(argv, "--lines=all", *after, "--follow") as printed:
            yield from map(_of_journal, printed)


def _since(since: str | None) -> list[str]:
    return [] if since is None else [f"--since=@{datetime.fromisoformat(since).timestamp():.3f}"]


@contextlib.contextmanager
def _journalctl(argv: Sequence[str], *options: str) -> Iterator[IO[bytes]]:
    """Run journalctl; its output is one JSON document a line."""
    # Without --all a long message is null.
    command = [*argv, "--quiet", "--no-pager", "--output=json", "--all", *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            yield program.stdout
        except BaseException:
            program.kill()
            raise
    if program.returncode:
        raise Failure(f"{command[0]} ended with exit status {program.returncode}")


def _of_files(
    paths: Sequence[str], lines: int | None, since: str | None, follow: bool
) -> Iterator[dict[str, Any]]:
    """Return what is in files, by the time of what they tell, and then what comes."""
    followers = [Follower(path) for path in paths]
    entries: Iterable[dict[str, Any]] = heapq.merge(
        *(_of_file(follower.read()) for follower in followers), key=itemgetter("at")
    )
    if since is not None:
        entries = (found for found in entries if found["at"] >= since)
    yield from entries if lines is None else deque(entries, maxlen=lines)
    if follow:
        yield from _what_comes(followers)


def _what_comes(followers: Sequence[Follower]) -> Iterator[dict[str, Any]]:
    while True:
        time.sleep(_LOOK_S)
        fresh = [found for follower in followers for found in _of_file(follower.read())]
        yield from sorted(fresh, key=itemgetter("at"))


def _print(entries: Iterable[dict[str, Any]], follow: bool, as_json: bool) -> None:
    if as_json and not follow:
        jsonout.print_document("logs", list(entries))
        return
    for found in entries:
        if as_json:
            jsonout.print_document("log", found)
        else:
            sys.stdout.write(text(found))
        if follow:
            sys.stdout.flush()


def text(found: dict[str, Any]) -> str:
    """Return an entry as the line that it is in a file."""
    about = [found[name] for name in ("runtime", "execution") if name in found]
    ids = "/".join(short(str(id)) for id in about)
    said = f"[{ids}] {found['message']}" if ids else str(found["message"])
    if "identifier" not in found:
        return f"{said}\n"
    head = f"{found['at']} {found['identifier']}[{found['pid']}] {found['priority']}: "
    return f"{head}{said}".replace("\n", "\n" + _CONTINUED) + "\n"


def _of_file(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Return the entries in lines of a file; what the interpreter wrote has no head."""
    entry: dict[str, Any] | None = None
    for line in lines:
        said = line.decode("utf-8", "replace").rstrip("\n")
        if (head := _LINE.fullmatch(said)) is not None:
            if entry is not None:
                yield entry
            entry = {name: value for name, value in head.groupdict().items() if value is not None}
            entry["pid"] = int(entry["pid"])
        elif entry is None:
            yield {"at": "", "message": said}
        elif said.startswith(_CONTINUED) and "identifier" in entry:
            entry["message"] += "\n" + said.removeprefix(_CONTINUED)
        else:
            yield entry
            entry = {"at": entry["at"], "message": said}
    if entry is not None:
        yield entry


def _of_journal(line: bytes) -> dict[str, Any]:
    """Return an entry of journalctl's JSON (systemd.journal-fields(7))."""
    fields = json.loads(line)
    at = datetime.fromtimestamp(int(fields["__REALTIME_TIMESTAMP"]) / 1_000_000, UTC)
    found: dict[str, Any] = {
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "identifier": _one(fields.get("SYSLOG_IDENTIFIER", fields.get("_COMM", "unknown"))),
        "pid": int(fields.get("_PID", 0)),
        "priority": _PRIORITIES[int(_one(fields.get("PRIORITY", "6")))],
    }
    for name in ("runtime", "execution"):
        if (id := fields.get(f"RUNTIMED_{name.upper()}")) is not None:
            found[name] = _one(id)
    return found | {"message": _one(fields.get("MESSAGE"))}


def _one(value: Any) -> str:
    """Return a field's text: bytes come as numbers, and what was given twice as a list."""
    if isinstance(value, list):
        if all(isinstance(each, int) for each in value):
            return bytes(value).decode("utf-8", "replace")
        return _one(value[-1])
    return "" if value is None else str(value)
