"""The files that we install: their templates, our mark in them, and whose a file is."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from runtimed import __version__
from runtimed.managers.failures import ForeignFile, ServiceFailure
from runtimed.paths import make_dirs

#: In one of the first lines of each file that we write, followed by our version.
_MARK = "Written by runtimed-daemon "
_MARKED = re.compile(re.escape(_MARK) + r"([^\s;]+)")
_HEAD_LINES = 5
_WHAT_IT_RUNS = re.compile(
    r"^\s*(?:ExecStart|ListenStream)\s*=.*$|<key>Program(?:Arguments)?</key>\s*(?:<array>\s*)?"
    r"<string>[^<]*</string>",
    re.MULTILINE,
)


class File(NamedTuple):
    """A file that the service needs, as it is there."""

    path: str
    state: str
    """current, differs, missing or foreign"""
    version: str | None = None
    """Which of ours wrote it."""


def template(folder: str, name: str) -> str:
    """Return the text of a file of ``packaging/``. Raises `ServiceFailure` if it is not there.

    The wheel has it in the package, a checkout beside it.
    """
    package = Path(__file__).parents[1]
    for root in (package / "packaging", package.parent / "packaging"):
        path = root / folder / name
        if path.is_file():
            return path.read_text("utf-8")
    raise ServiceFailure(f"packaging/{folder}/{name} is not installed with this runtimed-daemon")


def mark(how_to_change: str) -> str:
    """Return the text of the comment that says whose a file is."""
    return f"{_MARK}{__version__}; `runt service install` writes it anew, {how_to_change}."


def version_of(text: str) -> str | None:
    """Return which version of ours wrote this text, None if none did."""
    found = _MARKED.search("\n".join(text.splitlines()[:_HEAD_LINES]))
    return found[1] if found else None


def look(path: str, wanted: str) -> File:
    """Return what is at the path, compared to what should be."""
    try:
        text = _text(path)
    except FileNotFoundError:
        return File(path, "missing")
    version = version_of(text)
    if version is None:
        return File(path, "foreign")
    return File(path, "current" if text == wanted else "differs", version)


def refuse_foreign(path: str) -> None:
    """Raise `ForeignFile`, saying what it is, unless the path is free or the file ours."""
    if os.path.islink(path) and os.path.realpath(path) == os.devnull:
        raise ForeignFile(f"{path} masks the unit; `systemctl --user unmask` it first")
    try:
        text = _text(path)
    except FileNotFoundError:
        if not os.path.islink(path):
            return
        raise ForeignFile(f"{path} is a link to nowhere, and not ours; it was left alone") from None
    if version_of(text) is not None:
        return
    runs = _WHAT_IT_RUNS.search(text)
    what = " ".join(re.sub(r"<[^>]*>", " ", runs[0]).split()) if runs else "no program"
    raise ForeignFile(
        f"{path} is not ours ({what}); it was left alone, and nothing was installed. "
        "Move it away first, if it is not needed"
    )


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def write(path: str, text: str) -> bool:
    """Write a file whole, unless it says this already; return whether it was written."""
    directory = os.path.dirname(path)
    make_dirs(directory)
    try:
        if _text(path) == text and not os.path.islink(path):
            return False
    except FileNotFoundError:
        pass
    fd, temporary = tempfile.mkstemp(dir=directory, prefix=".runtimed-")
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def remove(path: str) -> bool:
    """Remove a file if it is ours; return whether it was."""
    try:
        if version_of(_text(path)) is None:
            return False
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
