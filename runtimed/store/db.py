"""The database: one writer, the event loop's thread; readers where a query may take long.

A write is a function that takes the connection, run by `Store.write` in one transaction. Commits
do not wait for the disk (``synchronous=NORMAL`` in WAL mode: https://www.sqlite.org/wal.html
"Performance Considerations"), so they cost some tens of microseconds and may be made on the loop;
what waits for the disk, the checkpoint, has a thread and a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

import apsw
from ulid import ULID

from runtimed.api.errors import StoreUnavailable
from runtimed.store.migrate import TooNew, migrate, refuse_newer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtimed.config import Config

P = ParamSpec("P")
T = TypeVar("T")

#: Thousandths of a second that a connection waits for another's lock; only ours ever hold one.
BUSY_TIMEOUT_MS = 5_000
#: How long readers of the log are waited for before it is emptied later, and between two looks.
TRUNCATE_PATIENCE_S = 2.0
_LOOK_S = 0.05
_UNAVAILABLE = (
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.BusyError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.PermissionsError,
)

Connection = apsw.Connection

__all__ = ["Connection", "Store", "TooNew", "check"]


def check(path: str) -> None:
    """Look whether a database, if there is one, can be opened and is none too new for us.

    Nothing is written. Raises `StoreUnavailable` or `TooNew`.
    """
    if not os.path.exists(path):
        return
    # Without a log all is in the file itself: then no file is made beside it by reading.
    mode = "mode=ro" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    with unavailable():
        db = apsw.Connection(f"file:{quote(path)}?{mode}", flags=flags)
        with contextlib.closing(db):
            db.set_busy_timeout(BUSY_TIMEOUT_MS)
            refuse_newer(db)


class Store:
    """The open database. Owned by the daemon; written only through `write`, on its loop."""

    def __init__(self, path: str, config: Config) -> None:
        """Open and migrate. Raises `StoreUnavailable`, or `TooNew` for a newer schema."""
        self.path = path
        self.problem: str | None = None
        """Why the last write failed; None where it did not."""
        self.has_grown = asyncio.Event()
        """Set when the write-ahead log has grown enough to be moved into the database."""
        self.has_log_left = False
        """Whether what was deleted may still be in the write-ahead log: see `truncate_log`."""
        with unavailable():
            # 0600 from the beginning: the files that SQLite makes beside it take its mode.
            os.close(_create_private(path))
            self.db = self._open()
            self._checkpointer = self._open()
            self._checkpointing = threading.Lock()
            migrate(self.db)
            self._watch_log(config.checkpoint_bytes)
            self.epoch = self._epoch()

    def _open(self) -> apsw.Connection:
        db = apsw.Connection(self.path)
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        if db.pragma("page_count") == 0:
            db.pragma("auto_vacuum", "incremental")  # free pages can be given back
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "normal")
        db.pragma("foreign_keys", True)
        db.pragma("secure_delete", True)  # what is forgotten is nowhere
        db.pragma("wal_autocheckpoint", 0)  # a checkpoint waits for the disk: not on the loop
        return db

    def _watch_log(self, limit_bytes: int) -> None:
        limit_pages = limit_bytes // int(self.db.pragma("page_size"))

        def committed(_db: apsw.Connection, _name: str, log_pages: int) -> int:
            if log_pages >= limit_pages:
                self.has_grown.set()
            return apsw.SQLITE_OK

        self.db.set_wal_hook(committed)

    def _epoch(self) -> str:
        """Return the epoch that the cursors of this database carry, naming it if it is new."""
        row = self.db.execute("SELECT value FROM meta WHERE key = 'epoch'").get
        if row is not None:
            return str(row)
        epoch = str(ULID())[-8:].lower()
        with self.db:
            self.db.execute("INSERT INTO meta VALUES ('epoch', ?)", (epoch,))
        return epoch

    def write(
        self, fn: Callable[Concatenate[apsw.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run the function in one transaction and return what it returns.

        Raises `StoreUnavailable` (disk full, read-only, corrupt …); then nothing is stored.
        """
        try:
            with unavailable():
                result = self._transact(fn, *args, **kwargs)
        except StoreUnavailable as error:
            self.problem = str(error.data["detail"])
            raise
        self.problem = None
        return result

    def _transact(
        self, fn: Callable[Concatenate[apsw.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            result = fn(self.db, *args, **kwargs)
            self.db.execute("COMMIT")
        except BaseException:
            # A statement that failed for lack of space may have rolled back by itself.
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
        return result

    def read(
        self, fn: Callable[Concatenate[apsw.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a quick query on the loop. Raises `StoreUnavailable`."""
        with unavailable():
            return fn(self.db, *args, **kwargs)

    def read_apart(
        self, fn: Callable[Concatenate[apsw.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query that may take long; call it from a thread. Raises `StoreUnavailable`."""
        with unavailable():
            db = apsw.Connection(self.path, flags=apsw.SQLITE_OPEN_READONLY)
            try:
                db.set_busy_timeout(BUSY_TIMEOUT_MS)
                return fn(db, *args, **kwargs)
            finally:
                db.close()

    @property
    def wal_bytes(self) -> int:
        try:
            return os.stat(self.path + "-wal").st_size
        except FileNotFoundError:
            return 0

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the database; call it from a thread.

        One that is under way is waited for. Return whether all that was committed when it began
        has reached the disk. Raises `StoreUnavailable`.
        """
        with self._checkpointing, unavailable():
            total, moved = self._checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            return moved >= total

    def truncate_log(self, patience_s: float = TRUNCATE_PATIENCE_S) -> bool:
        """Move the write-ahead log into the database and empty it; call it from a thread.

        Return False where somebody else reads from it for as long as that: nothing waits for it
        meanwhile, and what was committed is on the disk all the same. Raises `StoreUnavailable`.
        """
        with self._checkpointing, unavailable():
            self.has_log_left = not truncated_log(self._checkpointer, patience_s)
            if self.has_log_left:
                _to_disk(f"{self.path}-wal")
        return not self.has_log_left

    def meta(self, key: str) -> str | None:
        """Return a value of the table of single facts."""
        found: str | None = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
        return found

    def close(self) -> None:
        for db in (self._checkpointer, self.db):
            with contextlib.suppress(apsw.Error):
                db.close()


def truncated_log(db: apsw.Connection, patience_s: float) -> bool:
    """Empty a database's write-ahead log; False where readers are at it for so long.

    SQLite's own waiting for them would hold the writer's lock.
    """
    until_s = time.monotonic() + patience_s
    db.set_busy_timeout(0)
    try:
        while True:
            try:
                db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                if time.monotonic() >= until_s:
                    return False
                time.sleep(_LOOK_S)
            else:
                return True
    finally:
        db.set_busy_timeout(BUSY_TIMEOUT_MS)


def _to_disk(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def unavailable(path: str | None = None) -> Iterator[None]:
    """Turn SQLite's and the system's refusals into `StoreUnavailable`, which names the file."""
    prefix = "" if path is None else f"{path}: "
    try:
        yield
    except _UNAVAILABLE as error:
        raise StoreUnavailable(detail=f"{prefix}{str(error) or type(error).__name__}") from error
    except OSError as error:
        raise StoreUnavailable(detail=f"{prefix}{error}") from error


def set_meta(db: apsw.Connection, key: str, value: str) -> None:
    """Note a single fact."""
    db.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


def delete_meta(db: apsw.Connection, key: str) -> None:
    """Take a single fact away."""
    db.execute("DELETE FROM meta WHERE key = ?", (key,))


def _create_private(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
