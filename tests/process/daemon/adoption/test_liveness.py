"""Alive, unresponsive or dead: what is said of each kernel while it works, stands still, or ends.

What each probe proves, by kernel, is a table in the research on feasibility: R's has one thread
for everything, so busy looks like hung there; a stopped process still accepts connections.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.daemon import Daemon
from tests.harness.foreign import KERNELS
from tests.process.daemon.adoption.waiting import adopted, execution, until
from tests.process.daemon.story import final, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.daemon import State
    from tests.harness.foreign import ForeignKernel, KernelNamed
    from tests.process.daemon.adoption.conftest import Fakes

INTERVAL = {"RUNTIMED_PROBE_INTERVAL_S": "0.1", "RUNTIMED_PROBE_TIMEOUT_S": "1"}
#: So often a kernel that does nothing is seen to be looked at, until all others were, too.
LOOKS = 2


@dataclass(frozen=True)
class Language:
    """Code of one kernel. ``note`` appends a word to a file; the others wait for another file.

    ``joined`` is what is said of a kernel that was busy before we came.
    """

    note: str
    computes: str
    sleeps: str
    joined: str = "alive"


PYTHON = Language(
    note="open({truth!r}, 'a').write('{word}\\n')",
    computes="import os\nwhile not os.path.exists({go!r}): pass",
    sleeps="import os, time\nwhile not os.path.exists({go!r}): time.sleep(0.05)",
)
LANGUAGES = {
    "python3": PYTHON,
    "xpython": PYTHON,
    "bash": Language(
        note="echo {word} >> {truth}",
        computes="until [ -e {go} ]; do :; done",
        sleeps="until [ -e {go} ]; do sleep 0.05; done",
    ),
    "deno": Language(
        note="Deno.writeTextFileSync({truth!r}, '{word}\\n', {{append: true}})",
        computes="for (;;) {{ try {{ Deno.statSync({go!r}); break }} catch {{}} }}",
        sleeps="for (;;) {{ try {{ Deno.statSync({go!r}); break }} "
        "catch {{ await new Promise((go) => setTimeout(go, 50)) }} }}",
    ),
    "ir": Language(
        note="cat('{word}\\n', file = {truth!r}, append = TRUE)",
        computes="while (!file.exists({go!r})) {{}}",
        sleeps="while (!file.exists({go!r})) Sys.sleep(0.05)",
        joined="unresponsive",
    ),
}


class Watched:
    """A kernel of somebody else's, what is said of it, and what it does."""

    def __init__(self, daemon: Daemon, kernel: ForeignKernel, idler: Path) -> None:
        self.daemon = daemon
        self.kernel = kernel
        self.language = LANGUAGES[kernel.name]
        self.truth = daemon.state.project / "truth"
        self._go = daemon.state.project / "go"
        self._client = kernel.client()
        self._idler_file = idler
        self._idler = self.id = ""

    def adopt(self, status: str) -> None:
        """Start the daemon, and wait until the kernel is listed with this status."""
        self.daemon.start()
        self._idler = adopted(self.daemon, self._idler_file)["id"]
        self.id = adopted(self.daemon, self.kernel.connection_file, status)["id"]

    def get(self) -> Any:
        return self.daemon.call("runtime.get", runtime=self.id)

    def begin(self, code: str) -> str:
        """Have its owner run code that goes on until `end`; return it when it has begun."""
        begun, going = self.note("begun"), code.format(go=str(self._go))
        count = words(self.truth).count("begun")
        self._client.execute(whole := f"{begun}\n{going}")
        until(lambda: words(self.truth).count("begun") > count, "its beginning")
        return whole

    def end(self) -> None:
        self._go.touch()

    def ended(self, code: str) -> None:
        """Wait until what was begun has ended."""
        execution(self.daemon, {"id": self.id}, code, "done")
        self._go.unlink()

    def note(self, word: str) -> str:
        return self.language.note.format(truth=str(self.truth), word=word)

    def submit(self, word: str) -> str:
        found = self.daemon.call("execution.submit", runtime=self.id, code=self.note(word))
        return str(found["id"])

    def until_looked_at(self) -> None:
        """Wait until all kernels were asked some times: one that answers shows it."""
        seen: set[str] = set()
        while len(seen) <= LOOKS:
            until(lambda: self._keepalive() not in seen, "a look")
            seen.add(self._keepalive())

    def _keepalive(self) -> str:
        return str(self.daemon.call("runtime.get", runtime=self._idler)["last_keepalive"])

    def stays(self, status: str, *activities: str | None) -> None:
        """It comes to this, and nothing else is said while it is looked at."""
        until(lambda: self._is(status, activities), f"{status}, {activities}: {self.get()}")
        with self.daemon.state.connection() as client:
            client.call("events.subscribe", {"runtime": self.id, "types": ["runtime"]})
            self.until_looked_at()
            client.call("runtime.get", {"runtime": self.id})
            said = {status}
            while client.has_notifications():
                said.add(next(client.notifications())["params"]["data"].get("status", status))
        assert said == {status}
        assert self._is(status, activities), self.get()

    def _is(self, status: str, activities: tuple[str | None, ...]) -> bool:
        found = self.get()
        return found["status"] == status and found["activity"] in activities


@pytest.fixture
def watched(
    request: pytest.FixtureRequest, state: State, fakes: Fakes, kernel_named: KernelNamed
) -> Iterator[Watched]:
    kernel = kernel_named(request.param)
    daemon = Daemon(state, INTERVAL)
    try:
        yield Watched(daemon, kernel, fakes.kernel("idler"))
    finally:
        daemon.dispose()


def stop(kernel: ForeignKernel) -> None:
    """SIGSTOP, and wait until it stands still."""
    os.kill(kernel.pid, signal.SIGSTOP)
    until(lambda: _state(kernel.pid) == "T", "its standstill")


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("watched", KERNELS, indirect=True)
def test_what_is_said_of_a_kernel(watched: Watched) -> None:
    kernel, language = watched.kernel, watched.language
    watched.adopt("alive")
    watched.stays("alive", None, "idle")  # its shell is asked only when somebody wants to know
    for code in (language.computes, language.sleeps):
        running = watched.begin(code)
        watched.stays("alive", "busy")
        watched.end()
        watched.ended(running)
    stop(kernel)
    ours = watched.submit("ours")
    watched.stays("unresponsive", "idle", "busy")
    assert "ours" not in words(watched.truth)
    os.kill(kernel.pid, signal.SIGCONT)
    assert final(watched.daemon, ours)["status"] == "done"
    watched.stays("alive", "idle")
    running = watched.begin(language.computes)
    stop(kernel)
    watched.stays("unresponsive", "busy")
    os.kill(kernel.pid, signal.SIGCONT)
    watched.stays("alive", "busy")
    watched.end()
    watched.ended(running)
    assert words(watched.truth).count("ours") == 1
    kernel.kill()
    watched.stays("dead", None)
    assert kernel.connection_file.exists()


@pytest.mark.parametrize(
    ("watched", "code"),
    [*((name, "computes") for name in KERNELS), ("python3", "sleeps"), ("ir", "sleeps")],
    indirect=["watched"],
)
def test_a_kernel_that_was_busy_before_we_came(watched: Watched, code: str) -> None:
    """Nothing was heard of what it runs; it is never taken for dead, and not for idle."""
    language = watched.language
    watched.begin(getattr(language, code))
    watched.adopt(language.joined)
    ours = watched.submit("ours")
    watched.stays(language.joined, None, "busy")
    assert words(watched.truth) == ["begun"]
    watched.end()
    assert final(watched.daemon, ours)["status"] == "done"
    watched.stays("alive", "idle")
    assert words(watched.truth) == ["begun", "ours"]
