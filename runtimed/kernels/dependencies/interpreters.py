"""Which Python an environment is built from: what an interpreter is, and which there are."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import msgspec

from runtimed.aside import aside
from runtimed.kernels import pythons
from runtimed.kernels.dependencies.requirements import is_satisfied
from runtimed.kernels.diagnosis import PythonDoesNotRun
from runtimed.plain_files import read_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROBE = """
import json, sys, sysconfig
base = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps({
    "base": base,
    "version": "%d.%d.%d" % sys.version_info[:3],
    "platform": sys.implementation.name + "-" + sysconfig.get_platform(),
}))
"""
_PROBE_TIMEOUT_S = 20.0


class Interpreter(msgspec.Struct, frozen=True):
    """What a Python is: ``base`` is the one that a virtual environment's is a link to."""

    base: str
    version: str
    platform: str


class Interpreters:
    """Asks interpreters what they are, each once for as long as its file does not change."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], Interpreter] = {}

    async def ask(self, python: str, env: Mapping[str, str]) -> Interpreter:
        """Return what an interpreter is. Raises `PythonDoesNotRun`."""
        try:
            key = await aside(_identity, python)
        except OSError as error:
            raise PythonDoesNotRun(str(error.strerror)) from error
        known = None if key is None else self._known.get(key)
        if known is None:
            known = _of_itself(await _probe(python, env))
            if key is not None:
                self._known[key] = known
        return known

    async def satisfying(self, specifiers: str, env: Mapping[str, str]) -> Interpreter | None:
        """Return the newest Python at hand that satisfies ``requires-python``, if there is one."""
        for version, path in await aside(_at_hand, env):
            # Its directory tells 3.12; whether 3.12.7 will do, it must say itself.
            if not any(is_satisfied(f"{version[0]}.{version[1]}.{n}", specifiers) for n in (0, 99)):
                continue
            try:
                found = await self.ask(path, env)
            except PythonDoesNotRun:
                continue
            if is_satisfied(found.version, specifiers):
                return found
        return None


def _at_hand(env: Mapping[str, str]) -> list[tuple[tuple[int, int], str]]:
    return sorted(pythons.interpreters(env), reverse=True)


def _identity(python: str) -> tuple[str, int, int, int] | None:
    """Return what is another for another interpreter; None for a script, which may be any."""
    if read_plain(python, 2) == b"#!":
        return None
    found = os.stat(python)
    # The path as well: a link in a virtual environment makes another Python of the same file.
    return python, found.st_ino, found.st_size, found.st_mtime_ns


def _of_itself(found: Interpreter) -> Interpreter:
    """Return it by the path that no link leads elsewhere tomorrow."""
    return msgspec.structs.replace(found, base=os.path.realpath(found.base))


async def _probe(python: str, env: Mapping[str, str]) -> Interpreter:
    try:
        child = await asyncio.create_subprocess_exec(
            *(python, "-I", "-S", "-c", _PROBE),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=dict(env),
            cwd="/",
        )
    except OSError as error:
        raise PythonDoesNotRun(str(error.strerror)) from error
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            output, complaint = await child.communicate()
    except TimeoutError as error:
        raise PythonDoesNotRun(f"it did not answer within {_PROBE_TIMEOUT_S:g} s") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    try:
        found = msgspec.json.decode(output, type=Interpreter)
    except msgspec.DecodeError as error:
        said = complaint.decode("utf-8", "replace").strip().splitlines()
        raise PythonDoesNotRun(said[-1] if said else f"exit {child.returncode}") from error
    return found
