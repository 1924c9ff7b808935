"""Kernelspecs, as the caller would see them, and what we know of certain kernels."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from runtimed.api.errors import FinderUnavailable
from runtimed.aside import aside
from runtimed.kernels import spec_finder
from runtimed.kernels.spec_finder import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What jupyter_client starts without a provisioner of the kernelspec's own.
LOCAL_PROVISIONER = "local-provisioner"

#: Programs and modules whose kernels die or stay silent over ipc.
_NEEDS_TCP = frozenset(("deno", "tslab", "jslab", "ilua"))


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """One kernelspec (https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernelspecs).

    ``prefix`` is the environment in whose share/jupyter it lies, None for the user's and the
    system's. ``own`` says that it is the ipykernel that runtimed brings along.
    """

    name: str
    resource_dir: str
    argv: list[str]
    display_name: str = ""
    language: str | None = None
    env: dict[str, str] = {}
    interrupt_mode: Literal["signal", "message"] = "signal"
    metadata: dict[str, Any] = {}
    provisioner: str | None = None
    prefix: str | None = None
    mtime_ns: int | None = None
    own: bool = False
    unusable: str | None = None

    @property
    def supports_curve(self) -> bool:
        """Whether the kernelspec declares CurveZMQ."""
        return declares_curve(self.metadata)


class Found(msgspec.Struct, frozen=True):
    """What one run of the finder saw."""

    directories: list[str]
    fingerprint: str
    specs: list[Spec]


class FindingFailed(Exception):
    """The child that lists kernelspecs ended without a list."""


class SpecFinder:
    """Lists kernelspecs, and remembers them for as long as nothing changed on disk.

    The child that looks costs about a quarter of a second; a second look costs stats.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str | None, ...], Found] = {}
        self._lock = asyncio.Lock()

    async def find(self, env: Mapping[str, str]) -> dict[str, Spec]:
        """Return the kernelspecs that a process with these variables would see, by name.

        Names are lower case. Raises `FinderUnavailable`, or `FindingFailed` with what the child
        said.
        """
        key = tuple(env.get(name) for name in spec_finder.RELEVANT)
        found = await self._remembered(key)
        if found is None:
            async with self._lock:
                found = await self._remembered(key)
                if found is None:
                    found = self._found[key] = await _look(env)
        return {spec.name: spec for spec in found.specs}

    async def _remembered(self, key: tuple[str | None, ...]) -> Found | None:
        found = self._found.get(key)
        if found is None or found.fingerprint != await aside(fingerprint, found.directories):
            return None
        return found


async def _look(env: Mapping[str, str]) -> Found:
    relevant = {name: env[name] for name in spec_finder.RELEVANT if name in env}
    try:
        # -P: a file called json.py where the daemon was started is none of our business.
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", spec_finder.__name__),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
    except OSError as error:
        raise FinderUnavailable(detail=str(error)) from error
    try:
        output, complaint = await child.communicate(msgspec.json.encode(relevant))
    except asyncio.CancelledError:
        child.kill()
        await child.wait()
        raise
    if (status := child.returncode or 0) < 0:
        # Not its own doing: memory ran out, or somebody ended it.
        raise FinderUnavailable(detail=f"signal {-status} ended the process that looks for them")
    if status != 0:
        raise FindingFailed(complaint.decode("utf-8", "replace"))
    return msgspec.json.decode(output, type=Found)


def declares_curve(metadata: Mapping[str, Any]) -> bool:
    """Return whether a kernelspec's metadata declares CurveZMQ."""
    encryption = metadata.get("supported_encryption")
    return isinstance(encryption, list) and "curve" in encryption


def begins_with_tcp(argv: list[str]) -> bool:
    """Return whether this command starts a kernel that is known not to speak ipc."""
    words = [os.path.basename(argv[0])]
    if "-m" in argv[:-1]:
        words.append(argv[argv.index("-m") + 1].split(".")[0])
    return not _NEEDS_TCP.isdisjoint(words)


def format_argv(template: list[str], **values: str) -> list[str]:
    """Fill ``{name}`` in each word; a name that is not given stays as it is, as in Jupyter."""

    def fill(match: re.Match[str]) -> str:
        return values.get(match.group(1), match.group())

    return [re.sub(r"\{([A-Za-z0-9_]+)\}", fill, word) for word in template]
