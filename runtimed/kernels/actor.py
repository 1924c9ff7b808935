"""The owner of one runtime: reads its journal, keeps its queue, and speaks for its kernel.

Everything that changes a runtime or its executions happens in its actor, on the loop. The journal
is the only source of what happened; what is asked of the keeper shows in the journal too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import KeeperUnavailable
from runtimed.kernels import implementations, pyargs
from runtimed.kernels.clock import now_ms, steady_s
from runtimed.kernels.effects import (
    Answered,
    Connected,
    Disconnected,
    Effect,
    Exited,
    Finished,
    InputWanted,
    Outspoken,
    Unsettled,
)
from runtimed.kernels.intake import Intake
from runtimed.kernels.journal import JournalReader
from runtimed.kernels.messages import execute_content
from runtimed.kernels.messenger import Messenger
from runtimed.kernels.queue import Queue
from runtimed.kernels.reading import Reading
from runtimed.kernels.reasons import last_words
from runtimed.kernels.state import RuntimeState
from runtimed.logs import about
from runtimed.recorder import Batch
from runtimed.store import executions
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Callable, Sequence

    from runtimed.config import Config
    from runtimed.kernels.link import KeeperLink
    from runtimed.kernels.scopes import Scopes
    from runtimed.paths import State
    from runtimed.recorder import Recorder
    from runtimed.store.blobs import Blobs
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow

log = logging.getLogger(__name__)

#: How long the second of reply and idle may take before a barrier is sent behind them.
SETTLE_S = 2.0
#: After so many answers of which iopub told nothing, no more are asked for.
UNHEARD_ANSWERS = 50
#: How long after an interrupt by its owner a kernel may be on its way to be restarted.
PATIENCE_S = 1.0
#: How soon a lost connection is made anew: a process that is ending closes it first.
RECONNECT_S = 1.0
#: How soon a commit, or a dispatch that the keeper could not make, is tried again.
RETRY_S = 1.0
#: How long what was asked of a keeper that went away is asked again of the next ones.
NEXT_KEEPER_S = 15.0


@dataclass(slots=True, frozen=True)
class Parts:
    """What actors share. Owned by the supervisor.

    ``link`` returns the present one, if any; ``keeper`` waits a while for one. ``lost`` is told of
    an adopted kernel that ended, or whose connection did: its owner may start another behind the
    same connection file, and no file event tells of that.
    """

    recorder: Recorder
    blobs: Blobs
    config: Config
    state: State
    link: Callable[[], KeeperLink | None]
    keeper: Callable[[], Awaitable[KeeperLink]]
    lost: Callable[[RuntimeRow], None]
    scopes: Scopes


class Actor:
    """One runtime. Its task is `run`, started by the supervisor."""

    def __init__(self, row: RuntimeRow, parts: Parts) -> None:
        self.row = row
        self.parts = parts
        is_shared = row.origin == "adopted"
        self.state = RuntimeState(row, idle_since_s=steady_s(), is_shared=is_shared)
        self.messenger = Messenger(row, parts.link)
        self.queue = Queue(self)
        self.intake = Intake(
            self.state,
            self.messenger.session,
            self._showing,
            self._stored_foreign,
            partial(last_words, row, parts.state),
        )
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
        self.ended_in_scope = False
        self._bell = asyncio.Event()
        self.reading = Reading(self)
        self._changes: list[asyncio.Future[None]] = []
        self._resumption: dict[str, Any] | None = None
        self._is_unsaved = False
        self._has_ended = False
        self.has_resumed = False
        """Whether the keeper's word on it, and the journal up to there, were taken in."""

    def _showing(self, display_id: str) -> list[str]:
        return self.parts.recorder.store.read(executions.showing, self.row.id, display_id)

    def _stored_foreign(self, origin: str) -> str | None:
        return self.parts.recorder.store.read(executions.id_of_origin, self.row.id, origin)

    # The journal, into the store

    def ring(self, end: int | None = None) -> None:
        """Say that there may be something to send, or to read: up to ``end``, if it is known."""
        if end is not None:
            self.reading.end = end
        self._bell.set()

    async def run(self) -> None:
        """Take the journal in and keep the queue moving, until the runtime is dead."""
        while not self._is_over:
            await self._bell.wait()
            self._bell.clear()
            await self.reading.catch_up()
            if self._is_unsaved:
                self._is_unsaved = False
                batch = Batch(now_ms())
                self.intake.changed(batch, batch.now_ms)
                await self.reading.commit_at_last(batch)
                self.act([])
            if self._resumption is not None:
                await self._resume(self._resumption)
                self.has_resumed = True
                self.act([])
            self.queue.dispatch()
        self._has_ended = True
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

    def act(self, effects: Sequence[Effect]) -> None:
        """Do what committed changes ask for, and wake who waits for a change."""
        for effect in effects:
            match effect:
                case Connected(same_process):
                    self._connected(same_process)
                case Answered(msg_type, _, content) if msg_type == "kernel_info_reply":
                    self._answered(content)
                case Answered(_, parent_id, content):
                    self.messenger.answered(parent_id, content)
                case Disconnected():
                    asyncio.get_running_loop().call_later(RECONNECT_S, self._reconnect)
                case Exited(_, pid, scope):
                    self.exits += 1
                    self.ended_pid, self.ended_in_scope = pid, scope is not None
                    if (unit := self.row.launch.get("scope")) is not None:
                        self.parts.scopes.note_end(unit)
                    if self.row.origin == "adopted":
                        self.parts.lost(self.row)
                case Finished(row):
                    self.queue.finished(row)
                    if row.origin is not None and row.status == "interrupted":
                        self._be_patient()
                case Unsettled(row):
                    asyncio.get_running_loop().call_later(SETTLE_S, self._settle, row)
                case Outspoken(row):
                    self.messenger.send_barrier(row)
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

    @property
    def is_confirmed(self) -> bool:
        """Whether the process that we know has answered a signed message, and no other before."""
        known = [self.row.pid, self.row.start_time]
        return self.row.pid is not None and self.row.launch.get("answered") == known

    def _reconnect(self) -> None:
        """Connect anew to a process that goes on living though a connection to it was lost."""
        if self._has_ended:
            return  # the runtime may have been started again: the row is another actor's by now
        if self.row.origin == "adopted":
            if self._is_adrift:
                self.parts.lost(self.row)
        elif not self.state.is_connected and self.row.status in ("alive", "unresponsive"):
            log.warning("connection lost, and it lives: connecting again", extra=about(self.row.id))
            with contextlib.suppress(KeeperUnavailable):
                self.messenger.open()

    @property
    def _is_adrift(self) -> bool:
        """Whether it is an adopted kernel's that nobody holds, or would see answer, or end."""
        if self.row.origin != "adopted" or self.row.status == "dead" or self.starts_wanted:
            return False
        return self.row.status == "starting" or not self.state.is_connected

    def look_again(self) -> None:
        """Have an adopted kernel that is adrift looked for, if it still is so in a moment."""
        if self._is_adrift:
            asyncio.get_running_loop().call_later(RECONNECT_S, self._reconnect)

    def _be_patient(self) -> None:
        """Send nothing for a while: a Jupyter server interrupts a kernel before it restarts it."""
        self.state.patient_until_s = steady_s() + PATIENCE_S
        asyncio.get_running_loop().call_later(PATIENCE_S, self.ring)

    def _settle(self, row: ExecutionRow) -> None:
        if row.id in self.state.executions and self.state.is_connected:
            self.messenger.send_barrier(row)

    def _connected(self, same_process: bool) -> None:
        self.state.is_shell_asked = False
        if not self.state.has_answered:
            self._ask_kernel_info()
        if same_process:
            if (row := self.state.sent) is not None:
                self.state.may_have_asked = row.id
            # Once a connection: ipykernel takes the same question, asked again, for a replay.
            if self._resumption is None or self.state.is_starting:
                self._check_running()

    def _ask_kernel_info(self) -> None:
        """Ask who it is: a kernel of somebody else's on control, where nobody has to wait."""
        self.messenger.try_kernel_info("control" if self.row.origin == "adopted" else "shell")

    def _answered(self, content: dict[str, Any]) -> None:
        """Take a kernel_info_reply; once it is heard on iopub too, the runtime is alive."""
        state = self.state
        state.has_answered = True
        if self.row.origin == "adopted" and not self.is_confirmed:
            self.row.launch["answered"] = [self.row.pid, self.row.start_time]
            self._is_unsaved = True
        implementations.remember(self.row, content)
        if not state.is_heard and state.unheard < UNHEARD_ANSWERS:
            # The subscription had not reached the kernel yet (JEP 65 tells why): ask once more.
            state.unheard += 1
            self._ask_kernel_info()
            return
        if self.row.status == "alive":
            return
        self.row.status, self.row.exit, self.row.ended_ms = "alive", None, None
        info = content.get("language_info")
        language = info.get("name") if isinstance(info, dict) else None
        self.row.language = str(language) if language else self.row.language
        self.row.kernel_name = self.row.kernel_name or str(content.get("implementation") or "")
        self.state.idle_since_s = steady_s()
        if content.get("implementation") == "ipython" and self.row.origin == "launched":
            self.messenger.try_post(
                "shell",
                "execute_request",
                execute_content(pyargs.AT_START, silent=True),
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

    async def apply_record(self) -> None:
        """Tell the keeper what is to be kept of the executions of others.

        Raises `KeeperUnavailable` or `Refused`.
        """
        session = self.messenger.session
        await self.messenger.request(Op.RECORD, record=self.row.record, session=session)

    def resume(self, info: dict[str, Any] | None) -> None:
        """Go on after the daemon or the keeper began anew; ``info`` is the keeper's word.

        It is acted on once the journal has been read to its end: what that shows as not sent is
        dispatched again.
        """
        self._resumption = info or {}
        self.reading.end = None
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
                await self.reading.commit_at_last(batch)
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
            state.is_shell_known = self.row.origin == "launched"
            state.is_shared |= self._was_shared()
        if not state.is_connected:
            return
        if not state.has_answered:
            self._ask_kernel_info()
        self._check_running()

    def _was_shared(self) -> bool:
        """Whether others have run something in it, or may have: it is not always recorded."""
        if self.row.record == "off":
            return True
        return self.parts.recorder.store.read(executions.has_foreign, self.row.id)

    def _check_running(self) -> None:
        """Find out what became of executions whose end may have been missed."""
        if (row := self.state.sent) is not None:
            self.messenger.send_barrier(row)
            self.queue.feed(row)
        self.state.foreign |= {row.msg_id for row in self.state.foreign_open.values()}
        if self.state.foreign:
            self.state.doubtful = set(self.state.foreign)
            self.messenger.send_foreign_barrier()

    def close(self) -> None:
        """Let go of the journal's file."""
        self.reader.close()
