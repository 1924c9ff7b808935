"""How much an execution has to do with what was asked for: a ranking function for FTS5."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

#: What a word counts for where it is found: in code, in an error, in output.
_WEIGHTS = (4.0, 3.0, 1.0)
#: How soon another occurrence of a word counts for little, and a long text for less (BM25's).
_SATURATION, _LENGTH_SHARE, _USUAL_WORDS = 1.2, 0.5, 30


def relevance(api: apsw.FTS5ExtensionApi, *_: object) -> float:
    """Return how much a row has to do with what was asked.

    BM25 (https://www.sqlite.org/fts5.html#the_bm25_function) without the words' rarity: every row
    that matches has all the words, and to know how rare they are takes a look at all rows.
    """
    score = 0.0
    for phrase in range(api.phrase_count):
        for column, weight in enumerate(_WEIGHTS):
            if count := len(api.phrase_column_offsets(phrase, column)):
                longer = api.column_size(column) / _USUAL_WORDS
                damped = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * longer)
                score += weight * count / (count + damped)
    return score
