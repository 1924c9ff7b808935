"""The search index: what is entered is found, what is forgotten is nowhere."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import apsw
import pytest

from runtimed.api.errors import StoreUnavailable
from runtimed.model.recall import Searchable
from runtimed.store.search import CHUNK, FEW_TO_MATCH, Meant, SearchIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERYTHING = Meant((0, 2**62), None, None)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SearchIndex]:
    index = SearchIndex(str(tmp_path / "search.db"), "epoch")
    yield index
    index.close()


def entry(
    number: int, code: str, output: str = "", *, is_final: bool = True
) -> tuple[int, Searchable, bool]:
    return number, Searchable(code, "", output), is_final


def found(index: SearchIndex, word: str, meant: Meant = EVERYTHING, limit: int = 500) -> list[int]:
    return sorted(number for number, _ in index.matching(f'"{word}"', meant, limit))


def test_what_is_entered_is_found_and_entered_again_it_is_the_new_one(index: SearchIndex) -> None:
    index.enter([entry(1, "alpha beta"), entry(2, "beta", is_final=False)], 2)
    assert index.progress(2) == (2, [2])
    assert found(index, "beta") == [1, 2]
    assert index.having("pha b", EVERYTHING, 9) == [1]
    index.enter([entry(2, "beta", "gamma")], 2)
    assert index.progress(2) == (2, [])
    assert found(index, "gamma") == [2]
    assert found(index, "beta") == [1, 2]


@pytest.mark.parametrize("word", ["gamma", "Cafe", "café", "\u212a", "gam ma", "x" * 60_000])
def test_among_a_few_the_same_is_found_as_among_all(index: SearchIndex, word: str) -> None:
    texts = ("Gamma", "CAFÉ", "cafe\u0301", "cafe", "k", "gam_ma", "x" * 60_000, "gammas", "")
    count = 7 * FEW_TO_MATCH
    index.enter([entry(n, texts[n % len(texts)] + " word") for n in range(count)], count)
    few = list(range(0, count, 7))
    wanted = sorted(set(found(index, word, limit=count)) & set(few))
    assert found(index, word, Meant((0, 2**62), few, None), limit=count) == wanted
    assert found(index, f'{word}" AND "word', Meant((0, 2**62), few, None), limit=count) == wanted


def test_code_counts_more_than_output(index: SearchIndex) -> None:
    index.enter([entry(1, "x", "word"), entry(2, "word", "x")])
    assert [n for n, _ in sorted(index.matching('"word"', EVERYTHING, 9), key=lambda h: h[1])] == [
        1,
        2,
    ]


def test_the_newest_that_are_meant_are_found_however_many_match(index: SearchIndex) -> None:
    index.enter([entry(number, "word") for number in range(1, 3 * CHUNK)])
    odd = Meant((0, 2**62), None, lambda some: [n for n in some if n % 2])
    assert found(index, "word", odd, 4) == [2 * number - 1 for number in range(1497, 1501)]
    assert index.having("wor", odd, 2) == [2999, 2997]
    assert found(index, "word", Meant((10, 13), None, None)) == [10, 11, 12]
    for few in ([7, 5, 2], list(range(2 * FEW_TO_MATCH, 0, -1))):
        among = Meant((0, 2**62), few, None)
        assert found(index, "word", among) == sorted(few)
        assert index.having("wor", among, 2) == few[:2]


def test_a_short_text_is_looked_for_among_the_few(index: SearchIndex) -> None:
    index.enter([entry(1, "ab"), entry(2, "b"), entry(3, "ab%")])
    among = Meant((0, 2**62), [3, 2, 1], None)
    assert index.having("ab", among, 9) == [3, 1]
    assert index.having("b%", among, 9) == [3]


def words_of(seed: random.Random, count: int) -> list[str]:
    return ["".join(seed.choices("abcdefghij", k=10)) for _ in range(count)]


def test_of_what_is_forgotten_no_word_is_left_in_any_file(
    index: SearchIndex, tmp_path: Path
) -> None:
    seed = random.Random(3)
    kept, secret = words_of(seed, 4000), words_of(seed, 400)
    rows = [entry(n, f"{kept[n]} x", " ".join(kept[n : n + 9])) for n in range(1, 3000)]
    rows += [entry(5000 + n, word, f"{word} {word}") for n, word in enumerate(secret)]
    seed.shuffle(rows)
    for start in range(0, len(rows), 300):
        index.enter(rows[start : start + 300])
    numbers = [5000 + n for n in range(len(secret))]
    assert all(found(index, word) for word in secret)
    index.forget(numbers, 3000)
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [word for word in secret if word.encode() in left] == []
    # Between two pages of an index there is the beginning of a word (the trigrams, all of it).
    pages = [
        bytes(term)[1:].decode()
        for table in ("words_idx", "parts_idx")
        for (term,) in apsw.Connection(str(tmp_path / "search.db")).execute(
            f"SELECT term FROM {table}"
        )
        if len(term) > 6
    ]
    assert [term for term in pages if any(word.startswith(term) for word in secret)] == []
    assert [n for n in range(1, 3000, 100) if n not in found(index, kept[n])] == []


def test_what_retention_removed_is_found_by_its_code_only(index: SearchIndex) -> None:
    index.enter([entry(1, "code", "output"), entry(2, "code", "output")])
    index.shed([1, 77])
    assert (found(index, "code"), found(index, "output")) == ([1, 2], [2])
    assert index.having("cod", EVERYTHING, 9) == [2, 1]


def test_numbers_that_the_database_has_lost_are_taken_out(index: SearchIndex) -> None:
    index.enter([entry(number, "word") for number in (1, 2, 3)], 3)
    assert index.progress(2) == (2, [])
    assert found(index, "word") == [1, 2]
    index.forget([2], 1)
    assert index.progress(1) == (1, [])


def test_an_index_of_another_database_is_made_anew(index: SearchIndex, tmp_path: Path) -> None:
    index.enter([entry(1, "word")], 1)
    index.close()
    again = SearchIndex(str(tmp_path / "search.db"), "epoch")
    assert found(again, "word") == [1]
    again.close()
    other = SearchIndex(str(tmp_path / "search.db"), "another")
    assert other.progress(1) == (0, [])
    assert found(other, "word") == []
    other.close()


def test_a_damaged_index_is_made_anew(index: SearchIndex, tmp_path: Path) -> None:
    index.enter([entry(number, "word") for number in range(1, 2000)], 1999)
    index.close()
    path = tmp_path / "search.db"
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + b"\xff" * (len(whole) - half))
    damaged = SearchIndex(str(path), "epoch")
    with pytest.raises(StoreUnavailable):
        damaged.matching('"word"', EVERYTHING, 2000)
        damaged.enter([entry(number, "word") for number in range(1, 2000)], 5000)
    assert damaged.progress(5000) == (0, [])
    damaged.close()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    damaged = SearchIndex(str(path), "epoch")
    assert damaged.matching('"word"', EVERYTHING, 9) == []
    assert damaged.progress(5000) == (0, [])
    damaged.enter([entry(1, "word")], 1)
    assert found(damaged, "word") == [1]
    damaged.close()
    path.write_text("this is no database, " * 1000)
    other = SearchIndex(str(path), "epoch")
    assert other.progress(1) == (0, [])
    other.close()


def test_its_files_are_private(index: SearchIndex, tmp_path: Path) -> None:
    index.enter([entry(1, "word")])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
