"""The packages that a script names in its own header (PEP 723).

https://packaging.python.org/en/latest/specifications/inline-script-metadata/
"""

from __future__ import annotations

import re
from bisect import bisect
from typing import TYPE_CHECKING, Any, NamedTuple

from runtimed.kernels.dependencies.requirements import BadRequirement, check_python, normalized

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGIN = "# /// script"
_OPENING = re.compile(r"# /// [a-zA-Z0-9-]+")
_CLOSING = "# ///"
#: A header that begins behind so much code is none; one that is so large is refused.
_CODE_CHARS = 256 * 1024
_HEADER_CHARS = 8 * 1024
#: As many as a call may name.
_PACKAGES = 200
#: tomllib keeps each beginning of a dotted key: what it takes grows by the square of the dots.
_KEY_DOTS = 20
#: What is no key in TOML, though it may look like one. Each matches, whether it ends or not: so
#: nothing is looked through twice.
_STRING_OR_COMMENT = re.compile(
    r""""{3}(?:[^\\]|\\.|\\\Z)*?(?:"{3}|\Z)|'{3}.*?(?:'{3}|\Z)|"(?:[^"\\\n]|\\.)*"?"""
    r"""|'[^'\n]*'?|\#[^\n]*""",
    re.DOTALL,
)
#: In [tool.uv], or [tool.uv.pip], what makes other packages, or versions, of the same names.
_OF_SOURCES = (
    *("sources", "index", "index-url", "extra-index-url", "find-links", "no-index"),
    *("index-strategy", "exclude-newer", "exclude-newer-package"),
)
#: Where comments and strings begin and end. (No possessive quantifiers: `re` of Python 3.11.2,
#: Debian 12's, gets them wrong.)
_MARKS = re.compile(r"""\\.|\n|\#|"{3}|'{3}|"|'""", re.DOTALL)
#: The cell magics below which is Python still; what others have below them is theirs.
_PYTHON_MAGICS = frozenset(("capture", "prun", "time", "timeit"))


class Header(NamedTuple):
    """What a script needs."""

    dependencies: list[str]
    requires_python: str | None


def read(code: str) -> Header | None:
    """Return the header of the code, None if it has none. Raises `BadRequirement`.

    Only what Python takes for a comment counts: code that writes a script has one in a string,
    or below ``%%writefile``. What begins behind the first 256 KiB does not.
    """
    if code.find(_BEGIN, 0, _CODE_CHARS) < 0 or _is_of_a_magic(code):
        return None
    text = code[: _CODE_CHARS + 2 * _HEADER_CHARS].replace("\r\n", "\n")
    found = [(begin, content) for begin, content in _blocks(text) if begin < _CODE_CHARS]
    strings = _in_strings(text, [begin for begin, _ in found]) if found else set()
    headers = [content for begin, content in found if begin not in strings]
    if not headers:
        return None
    if len(headers) > 1:
        raise BadRequirement("the code has two headers '# /// script'; one is allowed (PEP 723)")
    return _parsed(headers[0])


def _is_of_a_magic(code: str) -> bool:
    """Say whether all of the code is given to a cell magic that does not run it as Python."""
    match = re.match(r"\s*%%(\w*)", code)
    return match is not None and match[1] not in _PYTHON_MAGICS


def _blocks(text: str) -> list[tuple[int, str]]:
    """Return the blocks of type ``script``, as the specification finds them: where, and what.

    A block ends at the last closing line among the comments that follow its opening line.
    Where there is none, no later line of these comments opens one either: each line is seen once.
    """
    found: list[tuple[int, str]] = []
    content: list[str] = []  # of the block that may be, so far
    opened, begin, closed, position = "", 0, 0, 0
    for line in [*text.split("\n"), ""]:
        if opened and (line == "#" or line.startswith("# ")):
            content.append(line)
            if line == _CLOSING:
                closed = len(content)
        else:
            if opened == _BEGIN and closed > 1:
                found.append((begin, _uncommented(content[: closed - 1])))
            opened, begin, closed, content = "", position, 0, []
            if _OPENING.fullmatch(line):
                opened = line
        position += len(line) + 1
    return found


def _in_strings(text: str, places: list[int]) -> set[int]:
    """Return those of the places, each the begin of a line, that lie in a string."""
    spans = list(_strings(text))
    begins = [begin for begin, _ in spans]
    return {at for at in places if (before := bisect(begins, at)) and spans[before - 1][1] > at}


def _strings(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the strings are. One that does not end goes on to the end of its line, or of
    the text.
    """
    opened, begin = "", 0
    for match in _MARKS.finditer(text):
        mark = match[0]
        if not opened:
            if mark[0] in "#\"'":
                opened, begin = mark, match.start()
        elif opened == "#":
            opened = "" if mark[-1] == "\n" else opened
        elif mark == opened or (len(opened) == 1 and mark[0] in (opened, "\n")):
            yield begin, match.end()
            opened = ""
    if opened not in ("", "#"):
        yield begin, len(text) + 1


def _uncommented(lines: list[str]) -> str:
    return "".join(line.removeprefix("#").removeprefix(" ") + "\n" for line in lines)


def _parsed(text: str) -> Header:
    import tomllib

    if len(text) > _HEADER_CHARS:
        kib = _HEADER_CHARS // 1024
        raise BadRequirement(f"the code's header '# /// script' is larger than {kib} KiB")
    bare = _STRING_OR_COMMENT.sub("", text)
    if any(part.count(".") > _KEY_DOTS for part in re.split(r"[\n,=\[\]{}]", bare)):
        raise BadRequirement(f"a key in the code's header has more than {_KEY_DOTS} dots")
    try:
        facts: dict[str, Any] = tomllib.loads(text)
    except ValueError as error:  # it is no TOML, or a number has too many digits
        raise BadRequirement(f"the code's header '# /// script' is no TOML: {error}") from None
    except RecursionError:
        raise BadRequirement("the code's header '# /// script' is nested too deeply") from None
    _check_sources(facts)
    dependencies = facts.get("dependencies", [])
    requires = facts.get("requires-python")
    if not isinstance(dependencies, list) or not all(isinstance(d, str) for d in dependencies):
        raise BadRequirement("dependencies in the code's header must be a list of strings")
    if len(dependencies) > _PACKAGES:
        raise BadRequirement(f"the code's header names more than {_PACKAGES} packages")
    if requires is not None and not isinstance(requires, str):
        raise BadRequirement("requires-python in the code's header must be a string")
    return Header(normalized(dependencies), check_python(requires) if requires else None)


def _check_sources(facts: dict[str, Any]) -> None:
    """Raise `BadRequirement` where uv is told what packages of these names are."""
    tool = facts.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    pip = uv.get("pip") if isinstance(uv, dict) else None
    for table, settings in (("tool.uv", uv), ("tool.uv.pip", pip)):
        for name in _OF_SOURCES:
            if isinstance(settings, dict) and settings.get(name):
                # Elsewhere the same names are somebody else's packages.
                raise BadRequirement(
                    f"the code's header says where packages come from ({name} in [{table}]), which "
                    "is not followed here; install them into a virtual environment and use that"
                )
