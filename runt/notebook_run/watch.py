"""Follow the executions of a notebook's cells to their ends, and save its file after each.

One loop on poll, as `runt.live` has for one execution: the daemon's events, and our signals.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from runt import exits
from runt.shows import asks_sentence

if TYPE_CHECKING:
    from runt.feed import Feed
    from runt.notebook_run.progress import Progress
    from runt.notebook_run.turn import Turn
    from runt.signals import Signals
    from runtimed.client.connecting import CallFailed


class Detached(Exception):
    """We stop following; what was accepted runs on."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code


class Watch:
    """The executions of one run, as far as seen; ``cells`` says which cell each of them runs."""

    def __init__(
        self, notebook: str, feed: Feed, signals: Signals, progress: Progress, turn: Turn
    ) -> None:
        self.statuses: dict[str, str] = {}
        self.was_interrupted = False
        self._notebook = notebook
        self._feed = feed
        self._signals = signals
        self._progress = progress
        self._turn = turn
        #: Their ids, in the order of the cells; empty before they are queued.
        self.executions: list[str] = []
        self._is_known = False
        self._is_saving = False
        self._is_unsaved = False
        self._owed = 0

    def run(self, params: dict[str, Any], *, is_new: bool) -> None:
        """Queue cells and follow them; ``is_new``: a kernel is started for them.

        Raises `CallFailed` or `Detached`.
        """

        def accepted(run: Any, failure: CallFailed | None) -> None:
            if failure is not None:
                raise failure
            self._begin(run["executions"])
            if is_new:
                self._say_notices(run["runtime"]["id"])

        self._open("notebook.run_all", params, accepted)
        self._follow()

    def attach(self) -> None:
        """Follow what is queued already. Raises `CallFailed` or `Detached`."""

        def told(notebook: Any, failure: CallFailed | None) -> None:
            if failure is not None:
                raise failure
            cells = [cell for cell in notebook["cells"] if cell["execution"] is not None]
            self._begin([cell["execution"] for cell in cells])

        self._open("notebook.get", {"notebook": self._notebook}, told)
        self._follow()

    def _say_notices(self, runtime_id: str) -> None:
        """Say what the kernel's start has to say."""

        def told(runtime: Any, failure: CallFailed | None) -> None:
            self._owed -= 1
            for notice in runtime["notices"] if failure is None else ():
                self._progress.say(notice)

        self._owed += 1
        self._feed.request("runtime.get", {"runtime": runtime_id}, told)

    def _open(self, method: str, params: dict[str, Any], then: Any) -> None:
        self._signals.leaving_default(lambda: self._feed.open((method, params, then)))()

    def _begin(self, executions: list[dict[str, Any]]) -> None:
        self._is_known = True
        self._turn.release()
        self.executions += [execution["id"] for execution in executions]
        for execution in executions:
            # An event may have come first; it is never older than what comes after it.
            self.statuses.setdefault(execution["id"], execution["status"])
        self._show()
        if self.was_interrupted:
            self._interrupt()

    # -- the loop

    def _follow(self) -> None:
        while not self._is_over():
            poll = select.poll()
            poll.register(self._signals.fileno(), select.POLLIN)
            poll.register(self._feed.fileno(), select.POLLIN)
            ready = dict(poll.poll())
            self._on_signals()
            if self._feed.fileno() in ready:
                for event in self._feed.receive():
                    self._on_event(event)

    def _is_over(self) -> bool:
        return (
            self._is_known
            and not self._owed
            and all(self.statuses[id] in exits.BY_STATUS for id in self.executions)
        )

    def _on_event(self, event: dict[str, Any]) -> None:
        id, data = event["execution"], event["data"]
        if event["type"] == "input":
            self._progress.say(asks_sentence(id, data))
        elif event["type"] == "execution" and "status" in data:
            before, self.statuses[id] = self.statuses.get(id), data["status"]
            self._show()
            if data["status"] in exits.BY_STATUS and before != data["status"]:
                self._save()

    def _show(self) -> None:
        statuses = [self.statuses[id] for id in self.executions]
        done = sum(status in exits.BY_STATUS for status in statuses)
        self._progress.show(done, len(statuses))

    def _save(self) -> None:
        """Have the file written, once more where it is being written just now."""
        if self._is_saving:
            self._is_unsaved = True
            return

        def saved(_: Any, failure: CallFailed | None) -> None:
            self._is_saving = False
            self._owed -= 1
            # A failure is met again, and told, when all is saved at the end.
            if self._is_unsaved and failure is None:
                self._is_unsaved = False
                self._save()

        self._is_saving = True
        self._owed += 1
        self._feed.request("notebook.save", {"notebook": self._notebook}, saved)

    # -- signals

    def _on_signals(self) -> None:
        for number in self._signals.take():
            if number != self._signals.interrupt:
                raise Detached(exits.of_signal(number))
            if self.was_interrupted:
                raise Detached(exits.INTERRUPTED)
            self.was_interrupted = True
            if self._is_known:
                self._interrupt()

    def _interrupt(self) -> None:
        """Cancel what is queued, from the last on, and interrupt what runs."""

        def answered(_: Any, failure: CallFailed | None) -> None:
            if failure is not None:
                self._progress.say(str(failure))

        for id in reversed(self.executions):
            if self.statuses[id] == "queued":
                self._feed.request("execution.cancel", {"execution": id}, answered)
        for id in self.executions:
            if self.statuses[id] not in exits.BY_STATUS:
                self._feed.request("execution.interrupt", {"execution": id}, answered)
