"""The REPL: ask for code, have it run, show what comes, and again.

Tasks: this one, the view's and the painter's. Signals end up here, as does what the link tells of
the runtime. What is asked of a person is ended (`Dismissed`) when there is no sense in it any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runt import exits, project
from runt.repl import words
from runt.repl.evaluation import Evaluations
from runt.repl.kernel import Kernel
from runt.repl.link import Link
from runt.repl.painter import Painter
from runt.repl.prompting import Dismissed, gone
from runt.repl.view import View
from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runt.repl.prompting import Asks

#: What leaves, in any language.
_LEAVES = frozenset(("exit", "quit", "exit()", "quit()"))
_OPEN = ["queued", "running", "waiting_input"]


@dataclass(slots=True)
class Outcome:
    """How a session ended. ``signal``: the one that ended it; ``end``: see `words.farewell`."""

    end: str = "kept"
    errors: int = 0
    signal: int | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of `runt run`."""
        if self.signal is not None:
            return exits.of_signal(self.signal)
        return exits.KERNEL_DIED if self.end.startswith("died") else exits.OK


class Repl:
    """A session with one runtime. Made in the loop that it runs in."""

    def __init__(self, runtime: dict[str, Any], *, stops: bool) -> None:
        """``stops``: leaving it stops the runtime."""
        self._runtime, self._stops = runtime, stops
        self._outcome = Outcome()
        self._failure: CallFailed | None = None
        self._first_count = 1
        self._is_restarting = False
        loop = asyncio.get_running_loop()
        self._link = Link(loop, runtime["id"], deliver=self._deliver, fail=self._fail)
        self._kernel = Kernel(self._link, runtime)
        self._asks = _prompt(self._kernel, self._next_count, self._hung_up)
        self._painter = Painter(self._asks)
        self._view = View(
            self._kernel.call,
            self._painter,
            self._link.read,
            on_runtime=self._on_runtime,
            on_cell=lambda cell: self._evaluations.on_cell(cell),
        )
        self._evaluations = Evaluations(self._kernel, self._view, self._painter, self._asks)

    async def run(self) -> Outcome:
        """Run it to its end. Raises `CallFailed` where there is no daemon any more."""
        try:
            with self._signals(asyncio.get_running_loop()):
                async with asyncio.TaskGroup() as tasks:
                    view = tasks.create_task(self._view.run(), name="view")
                    painter = tasks.create_task(self._painter.run(), name="painter")
                    try:
                        await self._session()
                    except CallFailed as failure:
                        self._failure = self._failure or failure
                    view.cancel()
                    painter.cancel()
        except* BrokenPipeError:
            self._outcome.signal = int(signal.SIGPIPE)
        except* OSError as refused:
            if not all(gone(error) for error in _leaves_of(refused)):
                raise
            self._outcome.signal = self._outcome.signal or int(signal.SIGHUP)
        finally:
            self._link.close()
        if self._failure is not None:
            raise self._failure
        self._outcome.errors = self._evaluations.errors
        return self._outcome

    @contextlib.contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        handled: list[int] = []
        for number in map(int, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
            if signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_signal, number)
                handled.append(number)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    # What happens meanwhile

    def _on_signal(self, number: int) -> None:
        if number != signal.SIGINT:
            self._end_by(number)
        elif self._asks.is_shown:
            self._asks.dismiss(KeyboardInterrupt())
        else:
            self._evaluations.interrupt()

    def _end_by(self, number: int) -> None:
        self._outcome.signal = number
        self._evaluations.detach()

    def _hung_up(self) -> None:
        """End as by the signal that tells of it, which may be ignored, as by nohup."""
        self._end_by(signal.SIGHUP)

    def _deliver(self, events: list[dict[str, Any]]) -> None:
        self._view.take(events)

    def _fail(self, failure: CallFailed) -> None:
        self._failure = failure
        self._evaluations.detach()

    def _on_runtime(self, document: dict[str, Any]) -> None:
        if "status" not in document:
            return
        before, self._runtime = self._runtime, document
        if document["incarnation"] != before["incarnation"]:
            self._view.next_count, self._first_count = None, 1
            if not self._is_restarting:
                self._painter.put_line("the kernel was restarted\n")
        if self._is_dead and not self._is_restarting:
            self._asks.dismiss(Dismissed())

    @property
    def _is_dead(self) -> bool:
        return bool(self._runtime["status"] == "dead")

    @property
    def _is_ending(self) -> bool:
        return self._outcome.signal is not None or self._failure is not None

    def _next_count(self) -> int:
        return self._view.next_count or self._first_count

    # The session

    async def _session(self) -> None:
        self._runtime = await asyncio.wrap_future(self._link.start())
        await self._join()
        leaving = "leaves and stops it" if self._stops else "leaves, and it keeps running"
        self._painter.put(words.greeting(self._runtime, leaving=leaving))
        while not self._is_ending and await self._turn():
            self._view.settle()
            self._painter.put("\n")
        if not self._is_ending:
            await self._painter.drained()

    async def _join(self) -> None:
        """Take note of what was run, and show what is running."""
        params = {"runtime": self._kernel.id, "limit": 50}
        ran = await self._kernel.call("execution.list", params)
        present = [r for r in ran if r["incarnation"] == self._runtime["incarnation"]]
        counts = [r["execution_count"] for r in present if r["execution_count"] is not None]
        self._first_count = max(counts, default=0) + 1
        for document in reversed([r for r in ran if r["status"] in _OPEN[1:]]):
            await self._view.join(document)

    async def _turn(self) -> bool:
        """Ask for code and run it; False to leave."""
        if self._is_dead:
            return await self._again()
        await self._painter.drained()
        if self._is_ending:
            return True  # meanwhile: a prompt that is not shown yet cannot be dismissed
        try:
            code = (await self._asks.code()).rstrip()
        except KeyboardInterrupt:
            return True
        except Dismissed:
            return True
        except EOFError:
            return not await self._leave()
        self._view.settle()
        if code.strip() in _LEAVES:
            return not await self._leave()
        if code.strip():
            await self._run(code)
        return True

    async def _run(self, code: str) -> None:
        try:
            told = await self._kernel.told_of(code)
            if told is not None:
                self._painter.put_line(told)
                return
            await self._evaluations.run(code)
            if self._view.next_count is None:
                self._first_count += 1  # this kernel does not count: somebody has to
        except CallFailed as failure:
            if self._failure is not None:
                raise
            self._painter.put_line(f"{failure}\n")

    async def _again(self) -> bool:
        """Say that the kernel died, and begin anew if that is wanted; False to leave."""
        self._view.settle()
        said = words.died(self._runtime)
        self._painter.put(f"{said}\n")
        await self._painter.drained()
        self._outcome.end = f"died ({words.end_of(self._runtime)})"
        if self._runtime["origin"] == "adopted":
            return False
        if not await self._agreed("Restart it? [Y/n] ", default=True):
            return False
        self._is_restarting = True
        try:
            present = await self._kernel.call("runtime.get", {"runtime": self._kernel.id})
            if present["status"] == "dead":  # nobody else has restarted it meanwhile
                params = {"runtime": self._kernel.id, "env": project.environment()}
                await self._kernel.call("runtime.restart", params)
            self._runtime = await self._kernel.call("runtime.get", {"runtime": self._kernel.id})
        except CallFailed as failure:
            self._painter.put_line(f"{failure}\n")
            return False
        finally:
            self._is_restarting = False
        self._view.next_count, self._first_count, self._outcome.end = None, 1, "kept"
        return True

    async def _leave(self) -> bool:
        """Leave, unless the person thinks better of it; say whether we do."""
        if not self._stops:
            return True
        if running := len(self._view.running):
            what = "1 execution is" if running == 1 else f"{running} executions are"
            question = f"{what} not over. Stop the runtime all the same? [y/N] "
            try:
                if not await self._agreed(question, default=False):
                    return True
            except KeyboardInterrupt:
                return False
        self._is_restarting = True  # its end is no surprise
        await self._kernel.call("runtime.stop", {"runtime": self._kernel.id})
        self._outcome.end = "exited"
        return True

    async def _agreed(self, question: str, *, default: bool) -> bool:
        try:
            answer = (await self._asks.line(question)).strip().lower()
        except (EOFError, Dismissed):
            return False
        return answer.startswith("y") if answer else default


def _leaves_of(group: BaseExceptionGroup[OSError]) -> Iterator[OSError]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves_of(each)
        else:
            yield each


def _prompt(kernel: Kernel, count: Callable[[], int], hung_up: Callable[[], None]) -> Asks:
    """Return what can ask here."""
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown") or not sys.stdout.isatty():
        from runt.repl.plain import PlainPrompt

        return PlainPrompt(kernel, count, hung_up)
    from runt.repl.prompt import Prompt

    return Prompt(kernel, count)


def run(runtime: dict[str, Any], *, stops: bool) -> Outcome:
    """Hold a session with a runtime at the terminal. Raises `CallFailed`."""

    async def session() -> Outcome:
        return await Repl(runtime, stops=stops).run()

    return asyncio.run(session())
