"""Documents as people read them: tables, times, sizes. Pure, but for the terminal's width."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from runt.ids import short
from runt.outputs import size
from runt.session import CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Column = tuple[str, Callable[[dict[str, Any]], str]]


def home(path: str | None) -> str:
    """Return a path with the home directory as ``~``."""
    of_user = os.path.expanduser("~")
    if not path:
        return "-"
    if of_user != "/" and (path == of_user or path.startswith(of_user + os.sep)):
        return "~" + path[len(of_user) :]
    return path


def _ip(runtime: dict[str, Any]) -> str:
    return "-" if runtime["transport"] == "ipc" else runtime["ip"] or "-"


def _cpu(runtime: dict[str, Any]) -> str:
    percent = runtime["cpu_percent"]
    return "-" if percent is None else f"{percent:.0f} %"


def _memory(runtime: dict[str, Any]) -> str:
    bytes_ = runtime["rss_bytes"]
    return "-" if bytes_ is None else size(bytes_)


def _state(runtime: dict[str, Any]) -> str:
    """Return the status; of a dead one also what ended it, where that is known."""
    status: str = runtime["status"]
    ended = runtime.get("exit")
    if status != "dead" or not ended:
        return status
    if ended["reason"] == "oom":
        return "dead (out of memory)"
    if ended["reason"] == "idle":
        return "dead (idle)"
    if ended["reason"] == "not_started":
        return "dead (not started)"
    if ended["reason"] == "shutdown_request":
        return "dead (shut down)"
    if ended["signal"] is not None:
        return f"dead ({_signal_name(ended['signal'])})"
    if ended["code"] is not None:
        return f"dead (exit {ended['code']})"
    return status


def _signal_name(number: int) -> str:
    from signal import Signals

    try:
        return Signals(number).name
    except ValueError:  # real-time signals have no names of their own
        return f"signal {number}"


def owner(runtime: dict[str, Any]) -> str:
    """Return who started an adopted runtime: by notebook, else by server, else by process."""
    owned = runtime.get("owner")
    if not owned:
        return "-"
    if owned.get("path") or owned.get("url"):
        return home(owned.get("path") or owned["url"])
    return f"{owned.get('name') or '?'} ({owned.get('pid') or '?'})"


def requester(by: dict[str, Any] | None) -> str:
    """Return who asked for something: an agent by its name, ``you`` for whoever uses runt."""
    if by is None:
        return "-"
    client = str(by["client"])
    if by.get("agent"):
        return f"{by['agent']} ({client})"
    return "you" if client == CLIENT else client


def last_words(runtime: dict[str, Any]) -> str:
    """Return the line of a dead kernel's last ones on stderr that tells most; empty if it has none.

    That is the last that speaks of an error: stacks and farewells may follow it.
    """
    lines = [str(line).strip() for line in (runtime.get("exit") or {}).get("stderr") or ()]
    telling = [line for line in lines if "rror" in line or "atal" in line]
    return printable((telling or lines or [""])[-1])


def _private(runtime: dict[str, Any]) -> str:
    return "yes" if runtime["private"] else "readable by other local users"


#: The mission's columns, after the two that a person types.
RUNTIME_COLUMNS: tuple[Column, ...] = (
    ("ID", lambda r: short(r["id"])),
    ("Name", lambda r: r["name"]),
    ("Kernel Name", lambda r: r["kernel_name"]),
    ("Language", lambda r: r["language"] or "-"),
    ("IP", _ip),
    ("Transport", lambda r: r["transport"]),
    ("Connection File", lambda r: home(r["connection_file"])),
    ("State", _state),
    ("Owner", owner),
)
WIDE_COLUMNS: tuple[Column, ...] = (
    ("Activity", lambda r: r["activity"] or "-"),
    ("PID", lambda r: str(r["pid"] or "-")),
    ("Memory", _memory),
    ("CPU", _cpu),
    ("Queue", lambda r: str(r["queue_length"])),
    ("Private", _private),
    ("Environment", lambda r: home(r["environment"])),
    ("Project", lambda r: home(r["project"])),
    ("Started By", lambda r: requester(r.get("started_by"))),
)
#: The last of the wide ones, there where it says something: where not all is recorded.
RECORD_COLUMN: Column = ("Record", lambda r: r.get("record", "all"))
#: Likewise: where agents are let see one.
SHARED_COLUMN: Column = ("Shared", lambda r: "yes" if r.get("shared") else "no")
#: The last of those of dead ones, there where a kernel has said something before its end.
WORDS_COLUMN: Column = ("Last Words", lambda r: cut(last_words(r) or "-", _WORDS_WIDTH))
_WORDS_WIDTH = 60
#: What a narrow terminal does without, first to last.
DROPPED = ("Last Words", "Connection File", "Owner", "Transport", "IP")

ENVIRONMENT_COLUMNS: tuple[Column, ...] = (
    ("Kind", lambda e: e["kind"]),
    ("Name", lambda e: e["name"]),
    ("Language", lambda e: e["language"] or "-"),
    ("Version", lambda e: e.get("python_version") or "-"),
    ("Path", lambda e: home(e["path"])),
    ("", lambda e: e["unusable"] or ("default" if e["default"] else "")),
)


def table(documents: Sequence[dict[str, Any]], columns: Sequence[Column]) -> str:
    """Return a table for people, without the columns in which a terminal would break it."""
    from tabulate import tabulate

    def drawn(chosen: Sequence[Column]) -> str:
        rows = [[printable(of(document)) for _, of in chosen] for document in documents]
        headers = [name for name, _ in chosen]
        return str(tabulate(rows, headers, tablefmt="plain", disable_numparse=True))

    return drawn(columns) + "\n"


def fitting_table(
    documents: Sequence[dict[str, Any]], columns: Sequence[Column], width: int
) -> str:
    """Return the table, less as many of `DROPPED` as it takes to fit into the width."""
    chosen = list(columns)
    text = table(documents, chosen)
    for name in DROPPED:
        if all(display_width(line) <= width for line in text.splitlines()):
            break
        chosen = [column for column in chosen if column[0] != name]
        text = table(documents, chosen)
    return text


def cut_table(documents: Sequence[dict[str, Any]], columns: Sequence[Column], width: int) -> str:
    """Return the table, its last column cut so that it fits into the width, if that can be."""
    *others, (name, of) = columns
    taken = max(display_width(line) for line in table(documents, others).splitlines())
    room = max(width - taken - _GAP, _LEAST_ROOM)
    return table(documents, [*others, (name, lambda document: cut(printable(of(document)), room))])


def cut(text: str, width: int) -> str:
    """Return the text, or as much of its beginning as fits with an ellipsis."""
    start = text[: width + 1]
    if len(start) == len(text) and display_width(text) <= width:
        return text
    while display_width(start) >= width:
        start = start[:-1]
    return start + "…"


#: What tabulate puts between columns, and the least that is left of a column that is cut.
_GAP = 2
_LEAST_ROOM = 8


def tabs(documents: Sequence[dict[str, Any]], columns: Sequence[Column]) -> str:
    """Return a header line and a line for each, tab-separated, for programs."""
    lines = ["\t".join(name for name, _ in columns)]
    lines += ["\t".join(printable(of(document)) for _, of in columns) for document in documents]
    return "\n".join(lines) + "\n"


def listing(
    documents: Sequence[dict[str, Any]],
    columns: Sequence[Column],
    *,
    drop: bool = True,
    cut_last: bool = False,
) -> str:
    """Return documents as stdout wants them: a table on a terminal, else tab-separated."""
    if not sys.stdout.isatty():
        return tabs(documents, columns)
    if not drop:
        return table(documents, columns)
    fitting = cut_table if cut_last else fitting_table
    return fitting(documents, columns, shutil.get_terminal_size().columns)


def printable(text: str) -> str:
    """Return the text without what would break a line or a terminal (a name may hold anything)."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def display_width(line: str) -> int:
    """Return how many columns of a terminal the line takes, wide East Asian characters counted."""
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in line)


def fields(document: dict[str, Any]) -> str:
    """Return a document's members, one a line, nested ones as JSON."""
    import json

    width = max((len(name) for name in document), default=0)
    lines = []
    for name, value in document.items():
        if isinstance(value, str) and "\n" not in value:
            text = value
        elif value is None:
            text = "-"
        else:
            text = json.dumps(value, ensure_ascii=False)
        lines.append(f"{name:<{width}}  {printable(text)}")
    return "\n".join(lines) + "\n"
