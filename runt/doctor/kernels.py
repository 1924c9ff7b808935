"""Kernels: which cannot start, which need tcp, and which have left files behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runt import session
from runt.doctor.finding import Finding, counted, some
from runt.render import home
from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runt.doctor.examination import Examination


def kernelspecs(e: Examination) -> Iterator[Finding]:
    """Look for kernelspecs that cannot start from here."""
    check = "kernelspecs"
    specs = [found for found in e.environments if found["kind"] in ("kernelspec", "runtimed")]
    for found in specs:
        if found["unusable"]:
            text = f"kernelspec {found['name']} cannot start: {found['unusable']}"
            remedy = f"reinstall it, or `jupyter kernelspec remove {found['name']}`"
            yield Finding(check, "problem", text, remedy, {"path": found["path"]})
    usable = sum(1 for found in specs if not found["unusable"])
    if usable == 0:
        text = "no kernelspec can be started from here"
        yield Finding(check, "problem", text, "`pip install ipykernel` in your environment")
    else:
        yield Finding(check, "ok", f"{counted(usable, 'kernelspec')} can be started")


def transports(e: Examination) -> Iterator[Finding]:
    """Look at which kernelspecs are started over tcp, because ipc did not work once."""
    found = e.report["transports"]
    if not found:
        yield Finding("transports", "ok", "every kernelspec is tried over ipc")
        return
    paths = [home(one["path"]) for one in found]
    yield Finding(
        "transports",
        "note",
        f"{counted(len(found), 'kernelspec')} did not work over ipc and did over tcp, which other "
        f"local users may read: {some(paths)}",
        "`runt doctor --forget-transports` has them tried over ipc again",
        {"transports": found},
    )


def forget_transports() -> list[str]:
    """Have the daemon forget them; return their paths. Raises `CallFailed` where none runs."""
    found = session.call("daemon.forget_transports", {}, start=False)
    return [one["path"] for one in found]


def connection_files(e: Examination) -> Iterator[Finding]:
    """Look for connection files of others' kernels that are proven dead."""
    check = "connection-files"
    adopted = {r["id"] for r in e.runtimes if r["origin"] == "adopted"}
    dead = [
        found
        for found in e.ask("runtime.prune", {"dry_run": True})
        if found["runtime"] in adopted and os.path.exists(found["connection_file"])
    ]
    if not dead:
        yield Finding(check, "ok", "none was left behind by a kernel that has ended")
        return

    def remove() -> str:
        removed, failure = 0, ""
        for found in dead:
            try:
                session.call("runtime.remove", {"runtime": found["runtime"]}, start=False)
                removed += 1
            except CallFailed as failed:  # it has come back to life, or was removed meanwhile
                failure = f"; {failed}"
        return f"{counted(removed, 'stale connection file')} were removed{failure}"

    names = [home(found["connection_file"]) for found in dead]
    yield Finding(
        check,
        "problem",
        f"kernels that have ended left {counted(len(dead), 'connection file')} behind",
        "`runt prune` removes them, `runt prune --dry-run` lists them",
        {"names": names},
        remove,
    )
