"""The owner of one runtime: reads its journal, keeps its queue, and speaks for its kernel.

Everything that changes a runtime or its executions happens in its actor, on the loop. The journal
is the only source of what happened; what is asked of the keeper shows in the journal too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import KeeperUnavailable, StoreUnavailable
from runtimed.host import Step, passing
from runtimed.kernels import pyargs
from runtimed.kernels.clock import now_ms
from runtimed.kernels.effects import (
    Answered,
    Connected,
    Disconnected,
    Effect,
    Exited,
    Finished,
    InputWanted,
    Unsettled,
)
from runtimed.kernels.intake import Intake
from runtimed.kernels.journal import JournalReader
from runtimed.kernels.messages import execute_content
from runtimed.kernels.messenger import Messenger
from runtimed.kernels.prepare import is_large, prepare
from runtimed.kernels.queue import Queue
from runtimed.kernels.state import RuntimeState
from runtimed.model.execution import Stimulus
from runtimed.recorder import Batch
from runtimed.store import executions
from runtimed.wire.journal import CorruptRecord
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Callable, Sequence

    import psutil

    from runtimed.config import Config
    from runtimed.kernels.link import KeeperLink
    from runtimed.kernels.prepare import Prepared
    from runtimed.paths import State
    from runtimed.recorder import Recorder
    from runtimed.store.blobs import Blobs
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow
    from runtimed.wire.journal import Record

log = logging.getLogger(__name__)

#: How long the second of reply and idle may take before a barrier is sent behind them.
SETTLE_S = 2.0
#: How soon a lost connection is made anew: a process that is ending closes it first.
RECONNECT_S = 1.0
#: How soon a commit, or a dispatch that the keeper could not make, is tried again.
RETRY_S = 1.0
#: How long what was asked of a keeper that went away is asked again of the next ones.
NEXT_KEEPER_S = 15.0


@dataclass(slots=True, frozen=True)
class Parts:
    """What actors share. Owned by the supervisor.

    ``link`` returns the present one, if any; ``keeper`` waits a while for one.
    """

    recorder: Recorder
    blobs: Blobs
    config: Config
    state: State
    link: Callable[[], KeeperLink | None]
    keeper: Callable[[], Awaitable[KeeperLink]]


class Actor:
    """One runtime. Its task is `run`, started by the supervisor."""

    def __init__(self, row: RuntimeRow, parts: Parts) -> None:
        self.row = row
        self.parts = parts
        self.state = RuntimeState(row, idle_since_ms=now_ms())
        self.messenger = Messenger(row, parts.link)
        self.queue = Queue(self)
        self.intake = Intake(self.state, self.messenger.session, self._showing)
        self.reader = JournalReader(parts.state.journal(row.id), row.journal_offset)
        self.exits = 0
        self.lifecycle = asyncio.Lock()
        """Held by who starts or restarts the kernel; others wait, and `starts_wanted` says so."""
        self.starts_wanted = 0
        self.interrupting = asyncio.Lock()
        """Held while an interrupt is being delivered: one at a time."""
        self.interrupted: tuple[str, float] | None = None
        """The execution that an interrupt was last delivered to, and when (monotonic seconds)."""
        self.ended_pid: int | None = None
        self.process: psutil.Process | None = None
        self._bell = asyncio.Event()
        self._end: int | None = None
        """How far the journal reaches, by the keeper's last word in this connection to it."""
        self._changes: list[asyncio.Future[None]] = []
        self._resumption: dict[str, Any] | None = None
        self._is_unsaved = False

    def _showing(self, display_id: str) -> list[str]:
        return self.parts.recorder.store.read(executions.showing, self.row.id, display_id)

    # The journal, into the store

    def ring(self, end: int | None = None) -> None:
        """Say that there may be something to send, or to read: up to ``end``, if it is known."""
        if end is not None:
            self._end = end
        self._bell.set()

    async def run(self) -> None:
        """Take the journal in and keep the queue moving, until the runtime is dead."""
        while not self._is_over:
            await self._bell.wait()
            self._bell.clear()
            await self.catch_up()
            if self._is_unsaved:
                self._is_unsaved = False
                batch = Batch(now_ms())
                self.intake.changed(batch, batch.now_ms)
                await self._commit_at_last(batch)
                self.act([])
            if self._resumption is not None:
                await self._resume(self._resumption)
                self.act([])
            self.queue.dispatch()
        # What is left of its journal is read; the next segment is for a next life.
        with contextlib.suppress(KeeperUnavailable):
            self.messenger.request(Op.ROTATE)

    @property
    def _is_over(self) -> bool:
        """Whether nothing is to come: what waits to be carried over still may."""
        state = self.state
        return self.row.status == "dead" and not (
            state.is_starting or state.executions or self.starts_wanted
        )

    async def catch_up(self) -> None:
        """Take in all that the journal has."""
        while self._end is None or self.reader.offset < self._end:
            try:
                records = self.reader.read()
            except (CorruptRecord, OSError) as error:
                if await self._skip_damage(str(error)):
                    continue
                return
            if not records:
                if self._end is None or not await self._skip_damage("a part of it is gone"):
                    return
                continue
            passing(Step.RECORDS_READ)
            # First all that waits, then all that changes: between taking a record in and its
            # commit nobody else gets a turn.
            prepared = [await self._prepare(record) for record in records]
            batch = Batch(now_ms())
            effects: list[Effect] = []
            for each in prepared:
                effects += self.intake.take(each, batch)
            end = batch.offsets[self.row.id] = records[-1].end
            del records, prepared
            await self._commit_at_last(batch)
            # Not before: others save this row too, and what was not taken in is not to be dropped.
            self.reader.offset = self.row.journal_offset = end
            self.act(effects)
            if self.reader.offset != self._end:
                await asyncio.sleep(0)  # what takes long takes turns with everybody else

    async def _skip_damage(self, error: str) -> bool:
        """Go on behind a part of the journal that cannot be read, with a gap on the record.

        Where the next record begins is known at the beginning of a segment only; the keeper is
        asked for a new one, unless there is one.
        """
        offset = self.reader.offset
        log.error("%s: its journal cannot be read at %d: %s", self.row.id, offset, error)
        following = self.reader.next_segment()
        if following is None:
            with contextlib.suppress(KeeperUnavailable):
                self.messenger.request(Op.ROTATE)
            return False
        batch = Batch(now_ms())
        # That it was sent may be in what cannot be read.
        damage = {"reason": "journal_damaged"}
        self.intake.gap(damage, self.state.in_flight, batch.now_ms, batch)
        batch.offsets[self.row.id] = following
        await self._commit_at_last(batch)
        self.row.journal_offset = following
        self.reader.seek(following)
        return True

    async def _prepare(self, record: Record) -> Prepared:
        blobs = self.parts.blobs
        while True:
            try:
                if is_large(record, blobs.limit_bytes):
                    return await asyncio.to_thread(prepare, record, self.messenger.signer, blobs)
                return prepare(record, self.messenger.signer, blobs)
            except StoreUnavailable as error:
                log.error("%s: %s; trying again", self.row.id, error)
                await asyncio.sleep(RETRY_S)

    async def _commit_at_last(self, batch: Batch) -> None:
        """Commit what has happened; while the store cannot take it, nothing else is read."""
        while True:
            try:
                self.parts.recorder.commit(batch)
                return
            except StoreUnavailable as error:
                log.error("%s: %s; trying again", self.row.id, error)
                await asyncio.sleep(RETRY_S)

    def act(self, effects: Sequence[Effect]) -> None:
        """Do what committed changes ask for, and wake who waits for a change."""
        for effect in effects:
            match effect:
                case Connected(same_process):
                    self._connected(same_process)
                case Answered(msg_type, _, content) if msg_type == "kernel_info_reply":
                    self._answered(content)
                case Disconnected():
                    asyncio.get_running_loop().call_later(RECONNECT_S, self._reconnect)
                case Exited(_, pid):
                    self.exits += 1
                    self.ended_pid = pid
                case Finished(row):
                    self.queue.finished(row)
                case Unsettled(row):
                    asyncio.get_running_loop().call_later(SETTLE_S, self._settle, row)
                case InputWanted(row):
                    self.queue.feed(row)
        waiting, self._changes = self._changes, []
        for change in waiting:
            if not change.done():
                change.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at after every change."""
        while not condition():
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._changes.append(change)
            await change

    async def ask(
        self, ask: Callable[[], Future[dict[str, Any]]], *, needs_connection: bool = False
    ) -> dict[str, Any]:
        """Ask the keeper; where it is away, or goes before it answers, ask the next one.

        Only for what may be done twice. ``ask`` is called when what happened in between is taken
        in: the incarnation is another one then. Raises `KeeperUnavailable` or `Refused`.
        """

        def may_ask() -> bool:
            is_connected = self.state.is_connected or not needs_connection
            return self.row.status == "dead" or (self._resumption is None and is_connected)

        loop = asyncio.get_running_loop()
        deadline = loop.time() + NEXT_KEEPER_S
        while True:
            link = await self.parts.keeper()
            with contextlib.suppress(TimeoutError):  # a full disk is no reason not to end a kernel
                async with asyncio.timeout_at(deadline):
                    await self.until(may_ask)
            try:
                return await ask()
            except KeeperUnavailable:
                if not link.lost.is_set() or loop.time() > deadline:
                    raise

    # The kernel

    def _reconnect(self) -> None:
        """Connect anew to a process that goes on living though a connection to it was lost."""
        if not self.state.is_connected and self.row.status in ("alive", "unresponsive"):
            log.warning("%s lost its connection and lives: connecting again", self.row.id)
            self.messenger.open()

    def _settle(self, row: ExecutionRow) -> None:
        if row.id in self.state.executions and self.state.is_connected:
            self.messenger.send_barrier(row)

    def _connected(self, same_process: bool) -> None:
        if not self.state.has_answered:
            self.messenger.ask_kernel_info()
        if same_process:
            self._check_running()

    def _answered(self, content: dict[str, Any]) -> None:
        """Take a kernel_info_reply; once it is heard on iopub too, the runtime is alive."""
        self.state.has_answered = True
        if not self.state.is_heard:
            # The subscription had not reached the kernel yet (JEP 65 tells why): ask once more.
            self.messenger.ask_kernel_info()
            return
        if self.row.status == "alive":
            return
        self.row.status, self.row.exit, self.row.ended_ms = "alive", None, None
        language = (content.get("language_info") or {}).get("name")
        self.row.language = str(language) if language else self.row.language
        self.state.idle_since_ms = now_ms()
        if content.get("implementation") == "ipython" and self.row.origin == "launched":
            self.messenger.try_post(
                "shell",
                "execute_request",
                execute_content(pyargs.ROOMY_IOPUB, silent=True),
                msg_id="setup.iopub",
            )
        self._is_unsaved = True
        self.ring()

    def save(self) -> None:
        """Store and announce the runtime as it is. Raises `StoreUnavailable`."""
        batch = Batch(now_ms())
        self.intake.changed(batch, batch.now_ms)
        self.parts.recorder.commit(batch)
        self.act([])

    def resume(self, info: dict[str, Any] | None) -> None:
        """Go on after the daemon or the keeper began anew; ``info`` is the keeper's word.

        It is acted on once the journal has been read to its end: what that shows as not sent is
        dispatched again.
        """
        self._resumption = info or {}
        self._end = None
        self.ring()

    async def _resume(self, info: dict[str, Any]) -> None:
        state, self._resumption = self.state, None
        state.posted = None
        if state.is_starting:
            return
        if not info.get("alive"):
            if self.row.status != "dead":
                batch = Batch(now_ms())
                effects = self.intake.end_process({"reason": "unknown"}, batch.now_ms, batch)
                await self._commit_at_last(batch)
                self.act(effects)
            return
        if state.connection_told_at < info["end"]:
            # Otherwise the journal has told something newer than the keeper's word.
            self.row.incarnation = info["incarnation"]
            state.is_connected = bool(info.get("connected"))
        if self.reader.offset < info["end"]:
            self.ring(info["end"])  # there should have been more to read
        if self.row.status in ("alive", "unresponsive"):
            state.has_answered = state.is_heard = True
        if not state.is_connected:
            return
        if not state.has_answered:
            self.messenger.ask_kernel_info()
        self._check_running()

    def take_for_sent(self, row: ExecutionRow) -> None:
        """Believe the keeper that it was sent before, where the journal does not tell.

        The part that told may be damaged, and all that the kernel said since: it may be over.
        """
        if row.id not in self.state.executions or row.progress.is_dispatched:
            return
        row.incarnation, self.state.posted = self.row.incarnation, None
        batch = Batch(now_ms())
        self.intake.note(row, Stimulus.SENT, batch.now_ms, batch)
        with contextlib.suppress(StoreUnavailable):  # the next daemon is told the same
            self.parts.recorder.commit(batch)
        self.messenger.send_barrier(row)

    def _check_running(self) -> None:
        """Find out what became of executions whose end may have been missed."""
        if (row := self.state.sent) is not None:
            self.messenger.send_barrier(row)
            self.queue.feed(row)
        if self.state.foreign:
            self.state.doubtful = set(self.state.foreign)
            self.messenger.send_foreign_barrier()

    def close(self) -> None:
        """Let go of the journal's file."""
        self.reader.close()
