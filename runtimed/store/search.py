"""The search index: words and parts of what was run and of what came out, in a file of its own.

A file of its own has a writer of its own: however long the index is at work, an evaluation does
not wait for it. Everything here is for threads; one of them writes at a time, one reads.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apsw
import msgspec

from runtimed.api.errors import StoreUnavailable
from runtimed.model.recall import (
    MARK_BEGIN,
    MARK_END,
    like_pattern,
    needles,
    trigrams_expression,
)
from runtimed.store.db import (
    BUSY_TIMEOUT_MS,
    TRUNCATE_PATIENCE_S,
    truncated_log,
    unavailable,
)
from runtimed.store.relevance import relevance
from runtimed.store.search_rows import note, state, take_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runtimed.model.recall import Searchable

#: Raised with the schema: another one is made anew.
VERSION = 1
COLUMNS = ("code", "error", "output")
#: So many words around what was found are shown.
_SNIPPET_WORDS = 14
#: Candidates are fetched so many at a time.
CHUNK = 1000
#: Where no more than so many are meant, these are looked at one by one, and nothing else.
FEW_TO_MATCH, FEW_TO_READ = 100, 2000
#: Up to so many numbers are held to compare with, instead of asking the database of them.
FEW = 2000
#: After so many rows that match it is better to look at the few that are meant.
PATIENCE = 5000
_SCHEMA = "search_schema.sql"
#: In such a text a word may be spelt otherwise than it is asked for: accents are set aside.
_NOT_ASCII = "code || error || output GLOB '*[^\x01-\x7f]*'"


@dataclass(frozen=True, slots=True)
class Meant:
    """Which executions a look into the index is about.

    ``bounds``: from and to which number. ``few`` are all of them, where it is known that these are
    few; ``among`` tells of numbers which are meant, None: all of them.
    """

    bounds: tuple[int, int]
    few: Sequence[int] | None
    among: Callable[[list[int]], list[int]] | None

    def of(
        self, rows: Iterator[Any], limit: int, patience: int | None = PATIENCE
    ) -> list[int] | None:
        """Return the first of the rows' numbers that are meant.

        None where after so many rows (``patience``) it is better to look at the few.
        """
        numbers = (int(row[0]) for row in rows)
        if self.few is not None:
            few, found = frozenset(self.few), list[int]()
            for seen, number in enumerate(numbers, 1):
                if number in few:
                    found.append(number)
                    if len(found) == limit:
                        break
                if seen == patience:
                    return None
            return found
        if self.among is None:
            return list(itertools.islice(numbers, limit))
        found, size = [], min(CHUNK, 2 * limit)
        while len(found) < limit and (chunk := list(itertools.islice(numbers, size))):
            found += self.among(chunk)
            size = CHUNK
        return found[:limit]


class SearchIndex:
    """The index of one state directory. Owned by the daemon; `HistoryIndex` keeps it up to date.

    ``epoch`` is the database's: an index of another one is made anew, as one that is damaged.
    """

    def __init__(self, path: str, epoch: str) -> None:
        self._path = path
        self._epoch = epoch
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._writer: apsw.Connection | None = None
        self._reader: apsw.Connection | None = None
        self._is_damaged = False
        self.has_log_left = False
        self._found: frozenset[int] = frozenset()

    # Writing

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        """Write in one transaction. Raises `StoreUnavailable`; a damaged index begins anew then."""
        with self._writing, unavailable(self._path):
            if self._is_damaged:
                self._discard()
            if self._writer is None:
                self._writer = self._open_or_make()
            try:
                with self._writer:
                    yield self._writer
            except (apsw.CorruptError, apsw.NotADBError):
                self._discard()
                raise

    def _open_or_make(self) -> apsw.Connection:
        with contextlib.suppress(apsw.CorruptError, apsw.NotADBError):
            db = self._open()
            made = db.pragma("user_version")
            if made == VERSION and state(db, "epoch") == self._epoch:
                return db
            db.close()
        self._discard()
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = self._open()
        from importlib import resources

        with db:
            db.execute((resources.files("runtimed.store") / _SCHEMA).read_text("utf-8"))
            note(db, "epoch", self._epoch)
            note(db, "mark", "0")
            db.execute(f"PRAGMA user_version = {VERSION:d}")
        return db

    def _open(self) -> apsw.Connection:
        db = apsw.Connection(self._path)
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        if db.pragma("page_count") == 0:
            db.pragma("auto_vacuum", "incremental")
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "normal")
        db.pragma("secure_delete", True)
        return db

    def _discard(self) -> None:
        with self._reading:
            for db in (self._reader, self._writer):
                if db is not None:
                    db.close(True)
            self._reader = self._writer = None
            self._is_damaged = False
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path + suffix)

    def progress(self, newest: int) -> tuple[int, list[int]]:
        """Return up to which number all are entered, and which of these are to be once more.

        What is beyond ``newest``, the database's last one, is of executions that it lost.
        """
        with self._transaction() as db:
            mark = int(state(db, "mark") or 0)
            if mark > newest:
                beyond = db.execute("SELECT number FROM text WHERE number > ?", (newest,))
                take_out(db, [int(str(row[0])) for row in beyond])
                note(db, "mark", str(mark := newest))
            return mark, [int(str(n)) for (n,) in db.execute("SELECT number FROM unfinished")]

    def enter(
        self, entries: Sequence[tuple[int, Searchable, bool]], mark: int | None = None
    ) -> None:
        """Enter executions: (number, what is searched, whether they are final)."""
        with self._transaction() as db:
            take_out(db, [number for number, _, _ in entries])
            for number, text, is_final in entries:
                row = (number, text.code, text.error, text.output)
                db.execute("INSERT INTO text VALUES (?, ?, ?, ?)", row)
                db.execute(
                    "INSERT INTO words (rowid, code, error, output) VALUES (?, ?, ?, ?)", row
                )
                db.execute("INSERT INTO parts (rowid, code) VALUES (?, ?)", row[:2])
                if not is_final:
                    db.execute("INSERT INTO unfinished VALUES (?)", (number,))
            if mark is not None:
                note(db, "mark", str(mark))

    def forget(self, numbers: Sequence[int], newest: int) -> bool:
        """Take executions out, so that nothing of them is left in the files.

        Return False where it may be left in the log for a while: see `truncate_log`.

        ``newest`` is the last that there is: what is beyond it is entered when it comes.
        """
        with self._transaction() as db:
            take_out(db, numbers)
            mark = int(state(db, "mark") or 0)
            note(db, "mark", str(min(mark, newest)))
        return self.truncate_log()

    def truncate_log(self, patience_s: float = TRUNCATE_PATIENCE_S) -> bool:
        """As `Store.truncate_log`."""
        with self._writing, unavailable(self._path):
            self.has_log_left = False
            if self._writer is not None:
                self.has_log_left = not truncated_log(self._writer, patience_s)
            return not self.has_log_left

    def begin_anew(self) -> None:
        """Have nothing in it any more, in the files either."""
        with self._writing, unavailable(self._path):
            self._discard()

    def shed(self, numbers: Sequence[int]) -> None:
        """Take out what executions have put out; their code stays."""
        with self._transaction() as db:
            for number in numbers:
                code = db.execute("SELECT code FROM text WHERE number = ?", (number,)).get
                if code is None:
                    continue
                take_out(db, [number])
                row = (number, code, "", "")
                db.execute("INSERT INTO text VALUES (?, ?, ?, ?)", row)
                db.execute(
                    "INSERT INTO words (rowid, code, error, output) VALUES (?, ?, ?, ?)", row
                )
                db.execute("INSERT INTO parts (rowid, code) VALUES (?, ?)", row[:2])
            db.execute("PRAGMA incremental_vacuum(256)").fetchall()

    # Reading

    @contextlib.contextmanager
    def _read(self) -> Iterator[apsw.Connection]:
        if self._reader is None:
            with self._transaction():  # it is there, and whole
                pass
        with self._reading, unavailable(self._path):
            if self._reader is None:
                self._reader = self._open_reader()
            try:
                yield self._reader
            except (apsw.CorruptError, apsw.NotADBError):
                self._is_damaged = True  # whoever writes next, begins anew
                raise

    def _open_reader(self) -> apsw.Connection:
        db = apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        try:
            db.register_fts5_function("relevance", relevance)
        except apsw.NoFTS5Error as error:  # FTS5 is asked for by a query: that failed
            db.close()
            raise StoreUnavailable(detail=f"{self._path} cannot be read just now") from error
        db.create_scalar_function("is_found", self._is_found, 1)
        return db

    def _is_found(self, *number: object) -> bool:
        return number[0] in self._found

    def matching(self, expression: str, meant: Meant, limit: int) -> list[tuple[int, float]]:
        """Return (number, relevance) of the newest that match, at most so many."""
        with self._read() as db:
            few = meant.few
            if few is None and meant.among is None:
                sql = (
                    "SELECT rowid, relevance(words) FROM words WHERE words MATCH ? "
                    "AND rowid >= ? AND rowid < ? ORDER BY rowid DESC LIMIT ?"
                )
                return list(db.execute(sql, (expression, *meant.bounds, limit)))
            if few is None or len(few) > FEW_TO_MATCH:
                sql = (
                    "SELECT rowid FROM words WHERE words MATCH ? AND rowid >= ? AND rowid < ? "
                    "ORDER BY rowid DESC"
                )
                rows = db.execute(sql, (expression, *meant.bounds))
                found = meant.of(rows, limit)
                if found is not None:
                    # How relevant they are takes long to say: it is asked of these only.
                    return self._about(db, "relevance(words)", expression, found)
                few = self._likely(db, expression, few or ())
            # Each of them is a query of its own in FTS5.
            sql = (
                "SELECT rowid, relevance(words) FROM words WHERE words MATCH ? "
                "AND rowid IN (SELECT value FROM json_each(?))"
            )
            listed = msgspec.json.encode(list(few)).decode()
            return [
                (int(number), float(score))
                for number, score in db.execute(sql, (expression, listed))
            ]

    def _likely(
        self, db: apsw.Connection, expression: str, numbers: Sequence[int]
    ) -> Sequence[int]:
        """Return those of the numbers whose text may match, by a look at its letters."""
        sql = "SELECT number FROM text WHERE number IN (SELECT value FROM json_each(?))"
        patterns = [like_pattern(needle) for needle in needles(expression)]
        for _ in patterns:
            sql += f" AND (code || ' ' || error || ' ' || output LIKE ? OR {_NOT_ASCII})"
        listed = msgspec.json.encode(list(numbers)).decode()
        return [int(str(n)) for (n,) in db.execute(sql, (listed, *patterns))]

    def _about(
        self, db: apsw.Connection, shown: str, expression: str, numbers: Sequence[int]
    ) -> list[Any]:
        """Return rows (number, what is shown of it) of numbers that match, by one walk."""
        if not numbers:
            return []
        self._found = frozenset(numbers)
        sql = (
            f"SELECT rowid, {shown} FROM words WHERE words MATCH ? "  # noqa: S608
            "AND rowid BETWEEN ? AND ? AND is_found(rowid)"
        )
        return list(db.execute(sql, (expression, min(numbers), max(numbers))))

    def having(self, text: str, meant: Meant, limit: int) -> list[int]:
        """Return the numbers of the newest whose code has the text in it, newest first."""
        pattern = like_pattern(text)
        trigrams = trigrams_expression(text)
        with self._read() as db:
            if trigrams is None or (meant.few is not None and len(meant.few) <= FEW_TO_READ):
                sql = (
                    "SELECT number FROM text WHERE number IN (SELECT value FROM json_each(?)) "
                    "AND code LIKE ? ESCAPE '\\' ORDER BY number DESC LIMIT ?"
                )
                listed = msgspec.json.encode(list(meant.few or ())).decode()
                return [int(str(n)) for (n,) in db.execute(sql, (listed, pattern, limit))]
            sql = (
                "SELECT text.number FROM parts JOIN text ON text.number = parts.rowid "
                "WHERE parts MATCH ? AND parts.rowid >= ? AND parts.rowid < ? "
                "AND text.code LIKE ? ESCAPE '\\' ORDER BY parts.rowid DESC"
            )
            rows = db.execute(sql, (trigrams, *meant.bounds, pattern))
            return meant.of(rows, limit, patience=None) or []

    def snippets(self, expression: str, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
        """Return the stretches of executions that match, by where they are, with marks."""
        shown = ", ".join(
            f"snippet(words, {column}, '{MARK_BEGIN}', '{MARK_END}', '…', {_SNIPPET_WORDS})"
            for column in range(len(COLUMNS))
        )
        with self._read() as db:
            rows = self._about(db, shown, expression, numbers)
        return {
            int(number): {
                where: str(text)
                for where, text in zip(COLUMNS, texts, strict=True)
                if MARK_BEGIN in str(text)
            }
            for number, *texts in rows
        }

    def size_bytes(self) -> int:
        """Return how much room it takes."""
        with self._read() as db:
            pages = int(db.pragma("page_count")) - int(db.pragma("freelist_count"))
            return pages * int(db.pragma("page_size"))

    def close(self) -> None:
        """Close it; what is under way in threads is waited for."""
        with self._writing, self._reading:
            for db in (self._reader, self._writer):
                if db is not None:
                    with contextlib.suppress(apsw.Error):
                        db.close()
            self._reader = self._writer = None
