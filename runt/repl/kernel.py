"""What the prompt asks the kernel, through the daemon."""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
from typing import TYPE_CHECKING, Any

from runt.repl import guess
from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from runt.repl.link import Link

#: Keys wait for this answer: what takes longer is guessed.
_COMPLETE_S = 1.0
#: Whoever types on waits for no completion; a first one may load a library in the kernel.
_COMPLETION_S = 30.0
_HISTORY = 1000
#: ``name?``, ``name??``, ``?name``: of the language's own syntax there is little like it.
_QUESTION = re.compile(r"\s*(\?{0,2})(%{0,2}[^\W\d][\w.]*(?:\[\w+\])?)(\?{0,2})\s*")


class Kernel:
    """One runtime, as its prompt sees it."""

    def __init__(self, link: Link, runtime: dict[str, Any]) -> None:
        self._link = link
        self.id = str(runtime["id"])
        self.name: str | None = runtime["kernel_name"]
        self.language: str | None = runtime["language"]
        self._answers_is_complete = True

    def ask(self, method: str, params: dict[str, Any]) -> asyncio.Future[Any]:
        """Send a request; the future has its answer, or a `CallFailed`."""
        return asyncio.wrap_future(self._link.call(method, params))

    async def call(self, method: str, params: dict[str, Any]) -> Any:
        """Make a call. Raises `CallFailed`."""
        return await self.ask(method, params)

    def is_whole(self, code: str) -> tuple[bool, str]:
        """Say whether to run the code, and how its next line begins otherwise.

        It blocks, so that the keys that follow wait for it. Where the kernel does not say, or not
        soon enough, it is guessed.
        """
        status, indent = self._asked_is_whole(code)
        if status == "incomplete":
            return False, indent or guess.indentation(code, self.language)
        if status == "unknown":
            return guess.is_whole(code, self.language), guess.indentation(code, self.language)
        return True, ""

    def _asked_is_whole(self, code: str) -> tuple[str, str]:
        if not self._answers_is_complete:
            return "unknown", ""
        params = {"runtime": self.id, "code": _ended(code), "wait_s": _COMPLETE_S}
        try:
            answer = self._link.call("runtime.is_complete", params).result(_COMPLETE_S)
        except (CallFailed, concurrent.futures.TimeoutError):
            return "unknown", ""  # it is busy, or the daemon is away: the next one may be answered
        if answer["status"] == "unknown":
            self._answers_is_complete = False
        return answer["status"], answer["indent"]

    async def complete(self, code: str, cursor: int) -> dict[str, Any] | None:
        """Return the completions at the cursor; None where the kernel does not say."""
        params = {"runtime": self.id, "code": code, "cursor": cursor, "wait_s": _COMPLETION_S}
        try:
            found: dict[str, Any] = await self.call("runtime.complete", params)
        except CallFailed:
            return None
        return found

    async def told_of(self, code: str) -> str | None:
        """Return what the kernel tells of a name that was asked for; None where it is code.

        Raises `CallFailed`.
        """
        asked = question(code)
        if asked is None:
            return None
        name, detail = asked
        params = {"runtime": self.id, "code": name, "detail": detail, "wait_s": _COMPLETION_S}
        found = await self.call("runtime.inspect", params)
        if not found["found"]:
            return f"Object `{name}` not found.\n" if self.language == "python" else None
        from runt import outputs

        return outputs.rich(found["data"])

    async def history(self) -> list[str]:
        """Return what was run in this language, newest first, each once."""
        try:
            runtimes = await self.call("runtime.list", {"all": True})
            ran = await self.call("execution.list", {"limit": _HISTORY})
        except CallFailed:
            return []
        spoken = {r["id"] for r in runtimes if r["language"] == self.language}
        codes = (
            each["code"].strip("\n")
            for each in ran
            if each["runtime"]["id"] in spoken or each["runtime"]["kernel_name"] == self.name
        )
        return list(dict.fromkeys(code for code in codes if code.strip()))


def question(code: str) -> tuple[str, int] | None:
    """Return the name that is asked for, and with how much detail; None where nothing is."""
    found = _QUESTION.fullmatch(code)
    if found is None or not (found[1] or found[3]):
        return None
    return found[2], int("??" in (found[1], found[3]))


def _ended(code: str) -> str:
    """Return the code as the kernel is to judge it: a last line of white space ends a block."""
    head, newline, last = code.rpartition("\n")
    return f"{head}\n\n" if newline and not last.strip() else code
