"""Follow one execution of ours to its end: its output as it comes, its questions, our signals.

One loop on poll: the daemon's socket, signals (through a wakeup descriptor, so that none is lost
between a check and a wait), stdout and stderr when they have to take something, stdin when
``input()`` waits for a line.
"""

from __future__ import annotations

import select
import time

from runt import exits, outputs
from runt.failures import UsageFailure
from runt.ids import new_id, short
from runt.shows import asks_sentence, gap_sentence
from runt.writer import StdoutLost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runt.feed import Feed
    from runt.shows import Shows
    from runt.signals import Signals
    from runt.terminal import Answers
    from runt.writer import Writer
    from runtimed.client.connecting import CallFailed

#: With more than this waiting for our stdout, no more is read; the daemon then tells its hub.
_ENOUGH_PENDING_BYTES = 1 << 20


#: poll(2) takes no more milliseconds than an int has; the loop looks again.
_LONGEST_POLL_MS = 86_400_000.0


class Detached(Exception):
    """We stop following; what was accepted runs on."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code


class Live:
    """An execution of ours, its state as far as seen, and the loop that follows it."""

    def __init__(
        self,
        id: str,
        feed: Feed,
        writer: Writer,
        answers: Answers,
        signals: Signals,
        *,
        shows: Shows,
    ) -> None:
        self.id = id
        self.status = "queued"
        self.reason: str | None = None
        self.error: dict[str, Any] = {}
        self.result: dict[str, Any] | None = None
        self._feed = feed
        self._writer = writer
        self._answers = answers
        self._signals = signals
        self._shows = shows
        self._accepted = False
        self._is_let_go = False
        self._interrupts = 0
        self._interrupt_sent = False
        self._interrupt_answered = False
        self._stdout_lost: OSError | None = None
        self._refused_stdin = False
        self._begun = new_id()
        self._said_notices = False
        self._awaits_notices = False
        self._owed = 0
        self._blobs: dict[str, Any] = {}
        self._held: list[dict[str, Any]] = []
        self._deadline: float | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the daemon has said that it will run."""
        return self._accepted

    def submit(self, params: dict[str, Any], wait_s: float | None) -> int:
        """Submit, follow to the end, and return the exit code."""

        def accepted(document: Any, failure: CallFailed | None) -> None:
            if failure is not None:
                raise failure
            self._accepted = True
            if wait_s is not None:
                self._deadline = time.monotonic() + wait_s
            if self._interrupts or self._stdout_lost:
                self._interrupt()

        # A large request blocks while the daemon does not read it.
        self._signals.leaving_default(
            lambda: self._feed.open(("execution.submit", params, accepted))
        )()
        try:
            return self._follow()
        finally:
            self._answers.dismiss()

    # -- the loop

    def _follow(self) -> int:
        while not self._is_over():
            self._turn()
            if self._is_let_go and self.status not in exits.BY_STATUS:
                self._writer.put_line(2, f"runt: {short(self.id)}: {self.reason}\n")
                raise Detached(exits.WAIT_EXPIRED)
        self.drain()
        if isinstance(self._stdout_lost, BrokenPipeError):
            return exits.STDOUT_CLOSED
        if self._stdout_lost is not None:
            raise self._stdout_lost
        if self._refused_stdin:
            return exits.USAGE
        if self.status == "cancelled" and self._interrupts:
            return exits.INTERRUPTED
        return exits.of_execution(self.status, self.error.get("ename"), self.error.get("evalue"))

    def _is_over(self) -> bool:
        if self._stdout_lost and self._interrupt_answered:
            return True
        return self._accepted and self.status in exits.BY_STATUS and not self._owed

    def _turn(self) -> None:
        """Wait for whatever comes first, and deal with it."""
        poll = select.poll()
        poll.register(self._signals.fileno(), select.POLLIN)
        reads = self._writer.pending_bytes < _ENOUGH_PENDING_BYTES
        if reads:
            poll.register(self._feed.fileno(), select.POLLIN)
        watched = self._shows.watched_stdout if self._stdout_lost is None else None
        if watched is not None:
            poll.register(watched, 0)
        if (out := self._writer.waiting_for) is not None:
            poll.register(out, select.POLLOUT)
        if self._answers.wants_reading:
            poll.register(0, select.POLLIN)
        ready = dict(poll.poll(self._timeout_ms()))
        self._on_signals()
        if out in ready:
            self._pump()
        elif watched in ready:
            self._lost_stdout(BrokenPipeError())
        if reads and self._feed.fileno() in ready:
            for event in self._feed.receive():
                self._on_event(event)
        if self._answers.wants_reading and (0 in ready or self._answers.has_buffered):
            self._read_answer()
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._wait_expired()

    def _timeout_ms(self) -> float | None:
        if self._answers.has_buffered:
            return 0
        if self._deadline is None:
            return None
        left_ms = max(0.0, self._deadline - time.monotonic()) * 1000 + 1
        return min(left_ms, _LONGEST_POLL_MS)

    def _wait_expired(self) -> None:
        if self.status not in exits.BY_STATUS:
            raise Detached(exits.WAIT_EXPIRED)
        self._deadline = None

    def _pump(self) -> None:
        try:
            self._writer.pump()
        except StdoutLost as lost:
            self._lost_stdout(lost.error)

    def drain(self) -> None:
        """Write what is left, until it is written or a signal comes."""
        while (out := self._writer.waiting_for) is not None:
            poll = select.poll()
            poll.register(self._signals.fileno(), select.POLLIN)
            poll.register(out, select.POLLOUT)
            ready = dict(poll.poll())
            if self._signals.take():
                return
            if out in ready:
                self._pump()

    # -- what the daemon tells

    def _on_event(self, event: dict[str, Any]) -> None:
        data = event["data"]
        self._shows.event(self._writer, event)
        if event["type"] == "output" and self._shows.is_silent:
            self._show(data)
        elif event["type"] == "output":
            self._held.append(data)
            for reference in outputs.blobs(data):
                self._fetch(reference)
            self._show_held()
        elif event["type"] == "execution":
            self._on_change(event)
        elif event["type"] == "input":
            self._on_question(data)
        elif event["type"] == "gap":
            self._writer.put_line(2, f"runt: {gap_sentence(data)}\n")

    def _on_question(self, question: dict[str, Any]) -> None:
        if self._answers.usable:
            prompt = question.get("prompt") or ""
            self._answers.ask(prompt, password=bool(question.get("password")))
        else:
            self._writer.put_line(2, f"runt: {asks_sentence(self.id, question)}\n")

    def _on_change(self, event: dict[str, Any]) -> None:
        change = event["data"]
        self.reason = change.get("reason", self.reason)
        self._is_let_go |= bool(change.get("detached"))
        self.status = change.get("status", self.status)
        if self.status != "waiting_input" and self._answers.asked:
            self._answers.dismiss()
        if change.get("execution_count") == 1 and self._is_new(event["runtime"]):
            self._said_notices = self._awaits_notices = True
            self._say_notices(event["runtime"])

    def _is_new(self, runtime_id: str | None) -> bool:
        """Say whether the runtime was started since we began: then nobody has said its notices.

        The first ten characters of an id are its time.
        """
        if self._said_notices or not runtime_id:
            return False
        return runtime_id[:10] >= self._begun[:10]

    def _say_notices(self, runtime_id: str) -> None:
        """Say what the runtime's start has to say, at the first execution in it."""

        def told(runtime: Any, failure: CallFailed | None) -> None:
            self._owed -= 1
            self._awaits_notices = False
            for notice in runtime.get("notices", ()) if failure is None else ():
                self._writer.put_line(2, f"runt: {notice}\n")
            self._show_held()

        self._owed += 1
        self._feed.request("runtime.get", {"runtime": runtime_id}, told)

    def _fetch(self, reference: dict[str, Any]) -> None:
        def fetched(blob: Any, failure: CallFailed | None) -> None:
            self._owed -= 1
            self._blobs[reference["blob"]] = (
                outputs.of_blob(reference, blob["data"])
                if failure is None
                else f"<{outputs.size(reference['size_bytes'])}: {failure}>"
            )
            self._show_held()

        self._owed += 1
        self._feed.request("blob.get", {"sha256": reference["blob"]}, fetched)

    def _show_held(self) -> None:
        """Show operations in their order, after the notices, as far as their blobs are here."""
        while self._held and not self._awaits_notices:
            missing = [b for b in outputs.blobs(self._held[0]) if b["blob"] not in self._blobs]
            if missing:
                return
            self._show(outputs.with_blobs(self._held.pop(0), self._blobs))

    def _show(self, operation: dict[str, Any]) -> None:
        output = operation.get("output") or {}
        if output.get("output_type") == "error":
            self.error = output
        elif output.get("output_type") == "execute_result":
            self.result = output
        if self._stdout_lost is None:
            self._shows.show(self._writer, operation)

    # -- signals, stdin, stdout

    def _on_signals(self) -> None:
        for number in self._signals.take():
            if number != self._signals.interrupt:
                raise Detached(exits.of_signal(number))
            self._interrupts += 1
            if self._interrupts > 1:
                raise Detached(exits.INTERRUPTED)
            if self._accepted:
                self._interrupt()

    def _interrupt(self) -> None:
        """Interrupt ours if it runs, cancel it if it is queued."""

        def answered(result: Any, failure: CallFailed | None) -> None:
            self._interrupt_answered = True
            if self._stdout_lost is not None:
                return
            if failure is not None:
                self._writer.put_line(2, f"runt: {failure}\n")
            elif not result.get("ended", True) and self.status not in exits.BY_STATUS:
                delivered = (
                    f"the interrupt was delivered ({result['how']}) and has not taken effect"
                )
                hint = "Ctrl-C again leaves it running"
                self._writer.put_line(2, f"runt: {delivered} yet; {hint}\n")

        if not self._interrupt_sent:
            self._interrupt_sent = True
            self._feed.request("execution.interrupt", {"execution": self.id}, answered)

    def _lost_stdout(self, error: OSError) -> None:
        self._stdout_lost = error
        self._writer.forget(1)
        if self._accepted:
            self._interrupt()

    def _refuse_stdin(self, failure: UsageFailure) -> None:
        """End ours rather than give it something else than what stdin has."""
        self._refused_stdin = True
        self._answers.usable = False
        self._writer.put_line(2, f"runt: {failure}\n")
        self._interrupt()

    def _read_answer(self) -> None:
        try:
            answer = self._answers.read()
        except OSError:
            raise Detached(exits.of_signal(1)) from None
        except UsageFailure as failure:
            self._refuse_stdin(failure)
            return
        if answer is None:
            return
        value, at_end = answer
        params: dict[str, Any] = {"execution": self.id, "value": value}
        if at_end:
            params["eof"] = True

        def answered(result: Any, failure: CallFailed | None) -> None:
            if failure is not None and failure.name != "NotWaitingForInput":
                raise failure

        self._feed.request("execution.input", params, answered)
