"""Tracebacks: the frames of the user's own code, the one that raised, and what was raised."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from runtimed.model.rendering.cutting import counted
from runtimed.model.text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
#: A frame's first line, of Python and of IPython.
_FRAME = re.compile(
    r"\s*(?:File \"(?P<python>.+)\", line \d+.*"
    r"|(?P<cell>(?:Cell )?In ?\[[\d ]*\].*|Input In \[\d+\].*)"
    r"|File (?P<ipython>[^\s\"].*?):\d+.*)"
)
_HEADER = re.compile(r"-{20,}$|Traceback \(most recent call last\):$|[\w.]+ *Traceback \(most")
_PACKAGE = re.compile(r"[/\\](?:site|dist)-packages[/\\](?P<name>[^/\\]+)")
_LIBRARY = re.compile(r"[/\\][Ll]ib(?:64)?[/\\]python\d|^<frozen |\.pyx$|\.pxi$")
_ARROW = re.compile(r"-*> *\d+")
_NOTE = re.compile(r"… .* (?:left out …|times more)$")
#: So much of a message is looked for in the traceback, which mostly has it.
_BEGIN_CHARS = 200
#: What comes after so many lines is a long message, and in any case too much to look at each.
_MOST_LINES = 20_000
#: Calls that are shown, of R and JavaScript: less and less.
_CALLS = (12, 4, 1)

#: Calls of R and JavaScript, and those that are not the user's, where others are.
_R_CALL = re.compile(r"\d+\. ")
_R_INNER = re.compile(
    r"\d+\. (?:withCallingHandlers|withVisible|tryCatch\w*|doTryCatch|try|eval|h\(simpleError"
    r"|\.handleSimpleError)\b"
)
_JS_CALL = re.compile(r"\s+at ")
_JS_INNER = re.compile(r"\((?:ext|node|deno):|\binternal/")


@dataclass
class _Frame:
    lines: list[str] = field(default_factory=list)
    package: str | None = None
    is_library: bool = False
    repeated: int = 0


@dataclass
class _Part:
    """One exception of a chain: its frames, what was raised, and how it led to the next."""

    frames: list[_Frame] = field(default_factory=list)
    message: list[str] = field(default_factory=list)
    link: str = ""


@dataclass(frozen=True, slots=True)
class _Detail:
    """How much is told: of the user's own frames the first and the last ones."""

    first: int
    last: int
    has_raising: bool = True
    is_brief: bool = True
    #: Lines of the messages of exceptions that led to the last one.
    message_lines: int = 1
    has_notes: bool = True

    def own(self, frames: list[int]) -> list[int]:
        if len(frames) <= self.first + self.last:
            return frames
        return [*frames[: self.first], *frames[-self.last :]]


_DETAILS = (
    _Detail(2, 6, is_brief=False, message_lines=3),
    _Detail(2, 6),
    _Detail(1, 1),
    _Detail(0, 1, message_lines=0),
    _Detail(0, 1, has_raising=False, message_lines=0),
    _Detail(0, 1, has_raising=False, message_lines=0, has_notes=False),
)


@dataclass(frozen=True, slots=True)
class Where:
    """A way to tell where it happened, and how much of the traceback it leaves out."""

    text: str
    omitted_chars: int
    omitted_lines: int


@dataclass(frozen=True, slots=True)
class Traceback:
    """Where it happened, from the longest way to tell it to an empty one, and what was raised."""

    wheres: Sequence[Where]
    what: str
    is_what_first: bool = False


def whole(error: Mapping[str, Any]) -> str:
    """Return an error's traceback, without ANSI sequences; without one its name and value."""
    text = plain("\n".join(map(str, error.get("traceback") or ())))
    name, value = str(error.get("ename") or ""), str(error.get("evalue") or "")
    begin = plain(value[:_BEGIN_CHARS]).strip().partition("\n")[0]
    is_said = not (name or begin) or any(each and each in text for each in (name, begin))
    if text.strip() and is_said:
        return text
    said = f"{name or 'error'}: {plain(value)}".removesuffix(": ")
    return f"{text}\n{said}" if text.strip() else said


def trimmed(text: str) -> Traceback:
    """Return what matters of a traceback (without ANSI sequences)."""
    text = text.strip("\n")
    given, rest = text.split("\n", _MOST_LINES), []
    if len(given) > _MOST_LINES:
        rest = [given.pop()]
    lines = [line for line in given if not _HEADER.match(line)]
    lines = lines if _count(lines) else given
    wheres: list[list[str]] = []
    what, is_what_first = lines, False
    if any(map(_FRAME.match, lines)):
        parts = _parts(lines)
        wheres, what = [_told(parts, detail) for detail in _DETAILS], parts[-1].message
    elif any(line.strip() == "Traceback:" for line in lines):
        wheres, what = _calls_of_r(lines)
        is_what_first = True
    elif any(map(_JS_CALL.match, lines)):
        calls = [line for line in lines if _JS_CALL.match(line)]
        what = [line for line in lines if not _JS_CALL.match(line)]
        own = [line for line in calls if not _JS_INNER.search(line)]
        wheres, is_what_first = _few(own, len(calls) - len(own)), True
    if not any("".join([*where, *what]).strip() for where in [*wheres, []]):
        wheres, what = [], lines
    told = dict.fromkeys(["\n".join(where) for where in wheres] + [""])
    said = "\n".join([*what, *rest])
    return Traceback([_where(each, what, lines) for each in told], said, is_what_first)


def _where(text: str, what: Sequence[str], lines: Sequence[str]) -> Where:
    kept = [line for line in text.split("\n") if not _NOTE.match(line)]
    return Where(
        text,
        max(0, _chars(lines) - _chars(kept) - _chars(what)),
        max(0, _count(lines) - _count(kept) - _count(what)),
    )


def _count(lines: Sequence[str]) -> int:
    return sum(bool(line.strip()) for line in lines)


def _chars(lines: Sequence[str]) -> int:
    return sum(len(line) + 1 for line in lines if line.strip())


def _told(parts: Sequence[_Part], detail: _Detail) -> list[str]:
    """Return the frames of the last exception, below what led to it."""
    said: list[str] = []
    if detail.message_lines:
        for part in parts[:-1]:
            if detail.first > 1:
                own = replace(detail, first=0, last=1, has_raising=False)
                said += _shown(part.frames, own)
            said += _first_lines(part.message, detail.message_lines)
            said += ["", part.link, ""]
    elif detail.has_notes and len(parts) > 1:
        said.append(f"… {counted(len(parts) - 1, 'exception')} that led to it left out …")
    return said + _shown(parts[-1].frames, detail)


def _first_lines(lines: Sequence[str], most: int) -> list[str]:
    if len(lines) <= most:
        return [*lines]
    return [*lines[:most], f"… {counted(len(lines) - most, 'line')} left out …"]


def _parts(lines: Sequence[str]) -> list[_Part]:
    parts = [_Part()]
    for line in lines:
        part = parts[-1]
        found = _FRAME.match(line)
        if line.strip() in _CHAINED:
            part.link = line.strip()
            parts.append(_Part())
        elif part.message:
            part.message.append(line)
        elif found is not None:
            path = found["python"] or found["ipython"] or ""
            package = _PACKAGE.search(path)
            is_library = package is not None or _LIBRARY.search(path) is not None
            part.frames.append(_Frame([line], package and package["name"], is_library))
        elif part.frames and (not line.strip() or line[0] in " \t->0123456789|+"):
            part.frames[-1].lines.append(line)
        elif line.strip():
            part.message.append(line)
    for part in parts:
        while part.message and not part.message[-1].strip():
            part.message.pop()
    return parts


def _shown(frames: Sequence[_Frame], detail: _Detail) -> list[str]:
    """Return the lines of the frames that matter, and of the others how many there are."""
    frames = _once(frames)
    if not frames:
        return []
    own = [index for index, frame in enumerate(frames) if not frame.is_library]
    chosen = set(detail.own(own))
    if detail.has_raising or not (chosen or detail.has_notes):
        chosen.add(len(frames) - 1)
    lines: list[str] = []
    skipped: list[_Frame] = []
    for index, frame in enumerate(frames):
        if index not in chosen:
            skipped.append(frame)
            continue
        lines += _skipped(skipped) if detail.has_notes else []
        skipped = []
        lines += _around(frame, is_brief=detail.is_brief)
    return lines + (_skipped(skipped) if detail.has_notes else [])


def _once(frames: Sequence[_Frame]) -> list[_Frame]:
    """Return the frames, of equal ones that follow one another only the first."""
    found: list[_Frame] = []
    for frame in frames:
        while frame.lines and not frame.lines[-1].strip():
            frame.lines.pop()
        if found and found[-1].lines == frame.lines:
            found[-1].repeated += 1
        else:
            found.append(frame)
    return found


def _skipped(frames: Sequence[_Frame]) -> list[str]:
    if not frames:
        return []
    packages = list(dict.fromkeys(frame.package for frame in frames if frame.package))
    where = f" ({', '.join(packages[:4])})" if packages else ""
    count = len(frames) + sum(frame.repeated for frame in frames)
    return [f"… {counted(count, 'frame')}{where} left out …"]


def _around(frame: _Frame, *, is_brief: bool) -> list[str]:
    """Return a frame's first line and those around the one that it was in."""
    first, *body = frame.lines
    again = [f"… the frame above {frame.repeated:,} times more"] if frame.repeated else []
    arrow = next((index for index, line in enumerate(body) if _ARROW.match(line)), None)
    if arrow is None:
        return [first, *body, *again]
    if frame.is_library or is_brief:
        return [first, body[arrow], *again]
    return [first, *body[max(0, arrow - 2) : arrow + 2], *again]


def _calls_of_r(lines: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Return the calls, each with all of its lines, and the message above their heading."""
    heading = next(index for index, line in enumerate(lines) if line.strip() == "Traceback:")
    calls: list[str] = []
    for line in filter(str.strip, lines[heading + 1 :]):
        if _R_CALL.match(line) or not calls:
            calls.append(line)
        else:
            calls[-1] += f"\n{line}"
    # The first one is the user's own, whatever it is called.
    own = [call for place, call in enumerate(calls) if not (place and _R_INNER.match(call))]
    return _few(own, len(calls) - len(own)), [*lines[:heading]]


def _few(calls: Sequence[str], others: int = 0) -> list[list[str]]:
    """Return the calls, and fewer of them: of many the first and the last ones."""
    found = []
    for most in _CALLS:
        last = most // 2 if len(calls) > most else 0
        first = min(len(calls), most) - last
        missing = len(calls) - first - last + others
        note = [f"… {counted(missing, 'call')} left out …"] if missing else []
        end = calls[len(calls) - last :]
        found.append([*calls[:first], *(note if last else ()), *end, *(() if last else note)])
    return found
