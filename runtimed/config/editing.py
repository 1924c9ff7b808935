"""Change one setting in the file, and leave the rest of it as it is: comments, order, the lot."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from typing import TYPE_CHECKING

from runtimed.config.file import parse, read_text
from runtimed.config.loading import find, of_file
from runtimed.config.settings import BadSetting, settings
from runtimed.config.values import WrongValue
from runtimed.paths import make_dirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tomlkit import TOMLDocument

_BOM = "\ufeff"


def set_value(path: str, name: str, text: str) -> None:
    """Set a setting in the file, which is created where it is missing.

    Raises `BadSetting`, with nothing written, for a value that does not fit, and for a file that
    could not be loaded afterwards; `OSError` where it cannot be written.
    """
    setting = find(name)
    try:
        value = setting.of_text(text)
    except WrongValue as error:
        raise BadSetting(f"{name} {error}") from None
    # A size or time with its unit is kept as it was said.
    has_unit = setting.kind in ("size", "time") and text.strip()[-1:].isalpha()
    _edit(path, lambda document: document.update({name: text.strip() if has_unit else value}))


def unset(path: str, name: str) -> bool:
    """Take a name out of the file, a setting or not; return whether it was there.

    Whatever else is wrong with the settings in the file: it is how they are put right. Raises
    `BadSetting` for a name that is neither in the file nor a setting, and as `set_value` does.
    """

    def change(document: TOMLDocument) -> None:
        found.append(name in document)
        if found[0]:
            del document[name]
        elif name not in settings():
            find(name)

    found: list[bool] = []
    _edit(path, change, check=False)
    return found[0]


def _edit(path: str, change: Callable[[TOMLDocument], None], *, check: bool = True) -> None:
    directory = os.path.dirname(path)
    make_dirs(directory)
    with _locked(os.path.join(directory, f".{os.path.basename(path)}.lock")):
        # A link stays one: what it leads to is replaced.
        target = os.path.realpath(path)
        before = read_text(target)
        parse(before or "", path)  # its words about what is no TOML are the daemon's
        document = _parsed(before or "", path)
        change(document)
        after = _with_line_ends(document.as_string(), before or "")
        if after == (before or ""):
            return
        parsed = parse(after, path)
        if check:
            of_file(parsed, path)
        make_dirs(os.path.dirname(target))
        _replace(target, after)


def _parsed(text: str, path: str) -> TOMLDocument:
    import tomlkit
    from tomlkit.exceptions import ParseError

    try:
        return tomlkit.parse(text)
    except (ParseError, RecursionError) as error:  # what tomllib takes and tomlkit does not
        raise BadSetting(f"{path} cannot be edited here: {error}") from None


def _with_line_ends(text: str, like: str) -> str:
    """Return the text with the line ends that the file has: a new line gets a plain one."""
    if "\r\n" not in like:
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold a lock of its own file: the configuration's is replaced, so a lock on it is no lock.

    The lock's file stays, as one that is removed could be locked by two.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _replace(target: str, text: str) -> None:
    """Write the file anew and put it in place of the old one, whole or not at all."""
    try:
        with open(target, "rb") as old:
            has_mark = old.read(3) == _BOM.encode()
            mode = os.fstat(old.fileno()).st_mode & 0o777
    except FileNotFoundError:
        has_mark, mode = False, 0o600
    fd, temporary = tempfile.mkstemp(prefix=".config.", dir=os.path.dirname(target))
    try:
        with os.fdopen(fd, "wb") as file:
            file.write((_BOM * has_mark + text).encode())
            os.fchmod(fd, mode)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
