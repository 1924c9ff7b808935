"""Where the text of an exported document goes: to a file that nobody loses, or to stdout."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys

import click

from runt.failures import ConflictFailure, Failure

STDOUT = "-"


def put(text: str, name: str, file: str | None, *, force: bool, quiet: bool) -> None:
    """Write the text, and say where on stderr.

    ``file`` is what the user named: ``-`` or, where nothing is named and stdout is no terminal,
    stdout; a directory, in which it is called ``name``; or a file. Without any of these it is
    ``name``, here. Raises `ConflictFailure` where there is such a file already, unless forced.
    """
    data = text.encode("utf-8", "replace")
    if file == STDOUT or (file is None and not sys.stdout.isatty()):
        sys.stdout.buffer.write(data)
        return
    path = file or name
    if os.path.isdir(path):
        path = os.path.join(path, name)
    write(path, data, force=force)
    if not quiet:
        click.echo(f"wrote {os.path.relpath(path)}", err=True)


def write(path: str, data: bytes, *, force: bool) -> None:
    """Write a file whole or not at all; one that is replaced keeps its mode.

    Raises `ConflictFailure` or `Failure`.
    """
    if force:
        path = os.path.realpath(path)  # a link stays one
    mode = _mode_of_file(path)
    directory, base = os.path.split(path)
    temporary = os.path.join(directory, f".{base[:200]}.{secrets.token_hex(4)}")
    try:
        try:
            with open(temporary, "xb") as out:
                if mode is not None:
                    os.fchmod(out.fileno(), mode)
                out.write(data)
            if force or not _link(temporary, path):
                os.replace(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except FileExistsError:
        raise ConflictFailure(f"{path} is there already; --force writes over it") from None
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}") from None


def _mode_of_file(path: str) -> int | None:
    """Return the mode of a file, None where nothing is. Raises `ConflictFailure` if it is none."""
    try:
        found = os.stat(path).st_mode
    except OSError:  # whoever writes will meet it
        return None
    if not stat.S_ISREG(found):
        raise ConflictFailure(
            f"{path} is not a regular file, and only such a one is replaced; `-o -` is stdout"
        )
    return stat.S_IMODE(found)


def _link(temporary: str, path: str) -> bool:
    """Give a file its name, if nothing has it. Raises `FileExistsError`."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError from None
        return False
    return True
