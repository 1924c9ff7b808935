"""Recall, purely: what a person types becomes an expression, what an execution has said a text.

The expressions are FTS5's (https://www.sqlite.org/fts5.html#full_text_query_syntax). Whatever was
typed goes into quotes there, so nobody can write one that is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtimed.model.outputs import fold
from runtimed.model.text import output_text, without_ansi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimed.model.outputs import Operation

#: Of errors, and of output, so many characters from the beginning and from the end are searched.
END_CHARS = 32 * 1024
#: What stands around a mark in a snippet on its way from the store; never in a text.
MARK_BEGIN, MARK_END = "\x02", "\x03"
#: A prefix has an index of its own from so many letters on.
LEAST_PREFIX_CHARS = 2
#: More of them would find no less: what has them all is read anyway.
_MOST_TRIGRAMS = 32
_ASKED = re.compile(r'"([^"]*)"?|([^\s"]+)')
#: SQLite bounds a pattern's length, and a few tell most texts apart.
_ASCII_RUN, _MOST_NEEDLES = re.compile(r"[0-9a-z]{1,100}"), 8
_UNSEARCHABLE = str.maketrans(dict.fromkeys("\0\x02\x03", " "))


def words_expression(query: str) -> str | None:
    """Return the FTS5 expression for words, ``"phrases"`` and ``prefixes*``; None: it has none."""
    terms = []
    for phrase, word in _ASKED.findall(query.translate(_UNSEARCHABLE)):
        text = phrase or word
        if not any(map(str.isalnum, text)):
            continue
        is_prefix = word.endswith("*") and len(word.rstrip("*")) >= LEAST_PREFIX_CHARS
        # A prefix is of the last letters: what ends in a sign has no word to go on.
        is_prefix = is_prefix and word.rstrip("*")[-1].isalnum()
        terms.append(f'"{text}"' + (" *" if is_prefix else ""))
    return " AND ".join(terms) or None


def needles(expression: str) -> list[str]:
    """Return what each ASCII text that fits the words' expression has in it, case aside."""
    quoted = " ".join(re.findall('"([^"]*)"', expression))
    return list(dict.fromkeys(_ASCII_RUN.findall(quoted.lower())))[:_MOST_NEEDLES]


def trigrams_expression(text: str) -> str | None:
    """Return the FTS5 expression that each text with this one in it fits; None for a short one."""
    text = text.translate(_UNSEARCHABLE)
    trigrams = list(dict.fromkeys(text[at : at + 3] for at in range(len(text) - 2)))
    step = -(-len(trigrams) // _MOST_TRIGRAMS) or 1
    return " AND ".join(f'"{_quoted(trigram)}"' for trigram in trigrams[::step]) or None


def like_pattern(text: str) -> str:
    """Return the LIKE pattern, with a backslash as its ESCAPE, of what has this text in it."""
    return "%" + re.sub(r"([%_\\])", r"\\\1", text.translate(_UNSEARCHABLE)) + "%"


def _quoted(text: str) -> str:
    return text.replace('"', '""')


@dataclass(frozen=True, slots=True)
class Searchable:
    """What of one execution is searched."""

    code: str
    error: str = ""
    output: str = ""


def searchable(
    code: str, operations: Sequence[Operation], last: Sequence[Operation] = ()
) -> Searchable:
    """Return what is searched of an execution.

    ``operations`` are those of its outputs; where there are too many, they are the first of them,
    and ``last`` are the last.
    """
    if any(op["op"] == "clear" for op in last):
        operations = ()  # nobody sees any more what came before
    errors: list[str] = []
    texts: list[str] = []
    for output in (*fold(operations), *fold(last)):
        if output["output_type"] == "error":
            errors.append(f"{output.get('ename')}: {output.get('evalue')}")
        elif output["output_type"] == "stream" or _is_plain(output):
            texts.append(output_text(output))
    return Searchable(_clean(code), _ends("\n".join(errors)), _ends("\n".join(texts)))


def _is_plain(output: dict[str, Any]) -> bool:
    return isinstance((output.get("data") or {}).get("text/plain"), str)


def _ends(text: str) -> str:
    text = _clean(text)
    if len(text) <= 2 * END_CHARS:
        return text
    return f"{text[:END_CHARS]}\n…\n{text[-END_CHARS:]}"


def _clean(text: str) -> str:
    return without_ansi(text).translate(_UNSEARCHABLE)


def marked(snippet: str) -> tuple[str, list[list[int]]]:
    """Return a snippet's text without its marks, and where these were."""
    text, marks = "", []
    for piece in snippet.split(MARK_BEGIN):
        inside, end, rest = piece.partition(MARK_END)
        if end:
            marks.append([len(text), len(text) + len(inside)])
        text += inside + rest
    return text, marks
