"""Why a Python cannot run a kernel, and the one command that fixes it."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import msgspec

from runtimed.api.errors import EnvironmentUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.kernels.environments import Choice

#: Printed by the Python in question: what it could import, without importing it.
_PROBE = """
import json, os, sys, sysconfig
from importlib.util import find_spec
marker = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
print(json.dumps({
    "ipykernel": find_spec("ipykernel_launcher") is not None,
    "pip": find_spec("pip") is not None,
    "ensurepip": find_spec("ensurepip") is not None,
    "managed": sys.prefix == sys.base_prefix and os.path.exists(marker),
}))
"""
_PROBE_TIMEOUT_S = 10.0


class Packages(msgspec.Struct, frozen=True):
    """What a Python has. ``managed``: only the system may install into it (PEP 668)."""

    ipykernel: bool
    pip: bool
    ensurepip: bool
    managed: bool


class PythonDoesNotRun(Exception):
    """The interpreter could not be asked; the text says what it did instead."""


async def explain_failure(
    choice: Choice, stderr: str, env: Mapping[str, str]
) -> EnvironmentUnusable | None:
    """Return the reason why a start of ipykernel failed, None if it is not a missing package.

    For use after a failed start only: it runs the interpreter in question, in the environment
    ``env`` that the kernel had.
    """
    python, *rest = choice.argv
    if rest[:2] != ["-m", "ipykernel_launcher"]:
        return None
    place = choice.environment or python
    try:
        packages = await probe(python, env)
    except PythonDoesNotRun as problem:
        detail = f"its Python does not run: {problem}"
        return EnvironmentUnusable(kernel=place, detail=detail, stderr=stderr)
    if packages.ipykernel:
        return None
    # What it wrote says the same, worse.
    detail = missing_ipykernel(python, packages, env)
    return EnvironmentUnusable(kernel=place, detail=detail, stderr="")


def missing_ipykernel(python: str, packages: Packages, env: Mapping[str, str]) -> str:
    """Return the sentence that says what is missing, with the one command that installs it."""
    quoted = shlex.quote(python)
    if packages.managed:
        return (
            "it has no ipykernel and belongs to the system; this makes an environment to use: "
            f"{quoted} -m venv .venv && .venv/bin/python -m pip install ipykernel"
        )
    if packages.pip:
        command = f"{quoted} -m pip install ipykernel"
    elif packages.ensurepip and shutil.which("uv", path=env.get("PATH")) is None:
        command = f"{quoted} -m ensurepip && {quoted} -m pip install ipykernel"
    else:
        command = f"uv pip install --python {quoted} ipykernel"
    return f"it has no ipykernel; this installs it: {command}"


async def probe(python: str, env: Mapping[str, str]) -> Packages:
    """Ask an interpreter what it has. Raises `PythonDoesNotRun`."""
    try:
        child = await asyncio.create_subprocess_exec(
            *(python, "-c", _PROBE),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=dict(env),
            cwd="/",
        )
    except OSError as error:
        raise PythonDoesNotRun(error.strerror) from error
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
        return msgspec.json.decode(output, type=Packages)
    except msgspec.DecodeError as error:
        said = complaint.decode("utf-8", "replace").strip().splitlines()
        raise PythonDoesNotRun(said[-1] if said else f"exit {child.returncode}") from error
