"""The manual pages, made from the commands: ``python -m runt.manual docs/man``.

They are written in man(7), which groff, mandoc and macOS read.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runt import exits
from runt.group import VERBS, group
from runtimed import __version__
from runtimed.config import settings
from runtimed.config.variables import OF_KERNELS, OF_PROCESSES, OF_RUNT, PLACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runtimed.config.values import Setting
    from runtimed.config.variables import Variable

_EXITS = {
    exits.OK: "It was done. For code: it ended without an error, or by sys.exit(0).",
    exits.CODE_RAISED: "The code raised; it was cancelled or lost; a check found a problem.",
    exits.USAGE: "The command line makes no sense.",
    exits.NOT_FOUND: "Nothing is called so.",
    exits.CONFLICT: "It does not fit what is there.",
    exits.UNREACHABLE: "The daemon, or the service manager, does not answer.",
    6: "The kernel did not start.",
    exits.DENIED: "It is refused, or the system does not let us.",
    exits.KERNEL_DIED: "The kernel died.",
    exits.INTERNAL: "Something went wrong inside.",
    exits.WAIT_EXPIRED: "The wait has expired; the code still runs.",
    exits.INTERRUPTED: "Interrupted.",
    exits.STDOUT_CLOSED: "Whoever read the output has gone.",
}
_RUNT = """\
`runt` is the command line of runtimed(8), the service that keeps Jupyter kernels alive and writes
down what runs in them.

A RUNTIME is called by its id, short id, name, pid, kernel id, connection file or notebook's path;
where nothing is destroyed a unique prefix will do. An EXECUTION is called by its id or short id.
Where no runtime is named, `runt eval` takes that of the project: the nearest directory, from this
one up, that has .git, pyproject.toml or .venv.

On every verb `--json` prints one JSON document, `{"schema": 1, "<noun>": ...}`, and nothing else on
stdout; `-q` prints ids only. Tables are for terminals; a pipe gets tabs and one header line.
"""
_RUNTIMED = """\
The daemon owns the REPLs of one user on one machine: it starts Jupyter kernels, adopts those that
others started, and records every execution and every output. It runs in the foreground, as service
managers want it; people use runt(1), which starts it where it does not run, and `runt service
install`, which installs it as a service of systemd or launchd.

The keeper is a process of its own, which holds the kernels' connections and outlives the daemon.
"""
_SIGNALS = (
    ("SIGTERM, to the daemon", "It stops; kernels and keeper live on."),
    ("SIGHUP, to the daemon", "It reads its settings again."),
    ("SIGHUP, to the keeper", "It hands its kernels over to a new one from the program on disk."),
)
_STATUSES = (
    ("0", "It was told to stop."),
    ("2", "The command line or a setting makes no sense."),
    ("5", "It cannot start: another one runs, say, or its database is of a newer version."),
    ("7", "A place is not safely the user's own."),
    ("73", "The keeper cannot use the state directory."),
    ("75", "Another keeper has the state directory."),
)


def pages() -> dict[str, str]:
    """Return the pages by the names of their files."""
    return {"runt.1": _page(_runt()), "runtimed.8": _page(_runtimed())}


def _page(lines: Iterable[str]) -> str:
    return "\n".join(('.\\" Made by python -m runt.manual; change that, not this.', *lines, ""))


def _runt() -> Iterator[str]:
    yield _title("RUNT", 1)
    yield from _section(
        "NAME", [r"runt \- keep REPLs alive, run code in them, look up what came of it"]
    )
    yield from _section(
        "SYNOPSIS", [r".B runt", r"\fIverb\fR [\fIoption\fR ...] [\fIargument\fR ...]"]
    )
    yield from _section("DESCRIPTION", _paragraphs(_RUNT))
    yield ".SH VERBS"
    parent = click.Context(group, info_name="runt")
    for verb in VERBS:
        command = group.get_command(parent, verb)
        assert command is not None  # noqa: S101 (every verb has one; tested)
        yield from _verb(click.Context(command, parent, verb))
    yield from _section("EXIT STATUS", _list((str(n), text) for n, text in _EXITS.items()))
    yield from _section("ENVIRONMENT", _variables((*OF_RUNT, *PLACES)))
    yield from _section("FILES", _list(_FILES))
    yield from _section("SEE ALSO", [".BR runtimed (8)"])


_FILES = (
    ("the path that `runt config path` prints", "The settings."),
    ("the path that `runt socket` prints", "The daemon's socket."),
    ("the directory that `runt status` shows", "The record: database, blobs, journals, logs."),
)


def _runtimed() -> Iterator[str]:
    yield _title("RUNTIMED", 8)
    yield from _section(
        "NAME", [r"runtimed \- service that keeps REPLs, and the record of what ran in them"]
    )
    usage, _, more = _usage().partition("\n\n")
    synopsis = [line.removeprefix("usage:").strip() for line in usage.splitlines()]
    yield from _section("SYNOPSIS", [".nf", *map(_escaped, synopsis), ".fi"])
    yield from _section("DESCRIPTION", [*_paragraphs(_RUNTIMED), ".PP", *_paragraphs(more)])
    yield from _section("SIGNALS", _list(_SIGNALS))
    yield from _section("EXIT STATUS", _list(_STATUSES))
    yield ".SH SETTINGS"
    yield from _paragraphs(
        "They are in one TOML file, which `runt config` shows and changes; a variable of the name "
        "RUNTIMED_ and the setting's in capitals overrides it. Defaults are in brackets."
    )
    yield from _list((name, _about(each)) for name, each in settings().items())
    yield from _section("ENVIRONMENT", _variables((*PLACES, *OF_KERNELS, *OF_PROCESSES)))
    yield from _section("FILES", _list(_FILES))
    yield from _section("SEE ALSO", [".BR runt (1),", ".BR systemd.unit (5),", ".BR launchctl (1)"])


def _about(setting: Setting) -> str:
    restart = " Takes effect at the next start." if setting.needs_restart else ""
    return f"{setting.about}{restart} [{setting.show(setting.default) or 'empty'}]"


def _usage() -> str:
    """Return what the program says of itself; this one does not import it."""
    asked = [sys.executable, "-m", "runtimed", "--help"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def _title(name: str, section: int) -> str:
    # No date: it would be that of whoever has made the page. Words are not hyphenated, and lines
    # not spread: options and paths are to be copied.
    return f'.TH {name} {section} "" "runtimed {__version__}"\n.nh\n.ad l'


def _section(name: str, lines: Iterable[str]) -> Iterator[str]:
    yield f'.SH "{name}"'
    yield from lines


def _verb(ctx: click.Context) -> Iterator[str]:
    command = ctx.command
    yield f'.SS "{_escaped(ctx.command_path)}"'
    yield f".B {_escaped(ctx.command_path)}"
    yield _escaped(" ".join(command.collect_usage_pieces(ctx)))
    for paragraph in _split(f"{command.help or ''}\n\n{command.epilog or ''}"):
        yield ".PP"
        yield _filled(paragraph)
    records = [p.get_help_record(ctx) for p in command.params if isinstance(p, click.Option)]
    yield from _list(record for record in records if record)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None  # noqa: S101 (it is on the list)
            yield from _verb(click.Context(below, ctx, name))


def _variables(variables: Iterable[Variable]) -> Iterator[str]:
    return _list(
        (each.name, each.about + (f" [{each.default}]" if each.default else ""))
        for each in variables
    )


def _list(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in items:
        yield ".TP"
        yield f".B {_escaped(term)}"
        yield _filled(text)


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(_split(text)):
        if number:
            yield ".PP"
        yield _filled(paragraph)


def _split(text: str) -> list[str]:
    return [" ".join(each.split()) for each in text.split("\n\n") if each.strip()]


def _filled(text: str) -> str:
    """Return running text in lines of the page's source."""
    lines = textwrap.wrap(_escaped(text), 78, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines[:1] + [_guarded(line) for line in lines[1:]])


def _escaped(text: str) -> str:
    """Return text as roff prints it (groff_char(7)): hyphens to be copied, code in bold."""
    text = re.sub(r"\[([^]]+)\]\((https?://[^)]+)\)", r"\1", text)  # Markdown's links
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("…", "...")
    return _guarded(re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text))


def _guarded(line: str) -> str:
    """Return a line that is text, and no request, whatever it begins with."""
    return rf"\&{line}" if line.startswith((".", "'")) else line


def main(directory: str) -> None:
    """Write the pages into a directory."""
    for name, text in pages().items():
        Path(directory, name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
