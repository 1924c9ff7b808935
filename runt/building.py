"""The environment that a start has to wait for: said on a terminal, before the waiting begins."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_STDERR = 2
#: Of the parameters of a start, those that decide which environment it is.
_DECIDING = ("dependencies", "code", "kernel_name", "environment", "cwd", "env", "project")
#: What makes a Python file name its packages (PEP 723).
HEADER = "# /// script"


def announce(params: Mapping[str, Any]) -> None:
    """Say that an environment is being built, where one is for these parameters of a start.

    Raises `CallFailed`, as the start would.
    """
    names_packages = params.get("dependencies") or HEADER in (params.get("code") or "")
    if "runtime" in params or not names_packages or not os.isatty(_STDERR):
        return
    from runt import session
    from runtimed.client.connecting import CallFailed

    asked = {name: params[name] for name in _DECIDING if name in params}
    try:
        prepared = session.call("environment.prepare", {**asked, "wait_s": 0})
    except CallFailed as failure:
        if failure.name != "EnvironmentBuildFailed":
            raise
        return  # it may be of an earlier build: the start tries it
    if prepared["status"] in ("building", "waiting"):
        packages = [each for each in prepared["dependencies"] if each != "ipykernel"]
        with_them = f" with {', '.join(packages)}" if packages else ""
        turn = ", once others are built" if prepared["status"] == "waiting" else ""
        sys.stderr.write(f"runt: building an environment{with_them} (once){turn}…\n")
        sys.stderr.flush()


def split_packages(values: tuple[str, ...]) -> list[str]:
    """Return the requirements of ``--with a,b --with c``: a comma may also be inside of one.

    As in ``pandas>=2,<3`` and ``dask[array,bag]``: there, no name follows it, or a bracket, or a
    marker's string, is open.
    """
    found = [""]
    depth = 0
    for value in values:
        quote = ""
        for place, character in enumerate(value):
            if character in "'\"" and quote in ("", character):
                quote = "" if quote else character
            depth += (character in "[(") - (character in "])")
            follows = value[place + 1 :].lstrip()[:1]
            if character == "," and not quote and depth <= 0 and (follows.isalnum() or not follows):
                found.append("")
            else:
                found[-1] += character
        found.append("")
        depth = 0
    return [each.strip() for each in found if each.strip()]
