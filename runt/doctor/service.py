"""The service: its manager, its units, its files, and what it sees of the user's environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runt.doctor.finding import Finding, counted
from runt.doctor.others import in_our_place
from runt.render import home
from runtimed.managers import linger as lingering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runt.doctor.examination import Examination

_INSTALL = "runt service install"


def service(e: Examination) -> Iterator[Finding]:
    """Look at what the service manager says."""
    check, status = "service", e.status
    data = {"manager": status.manager, "installed": status.installed, "enabled": status.enabled}
    if status.manager == "detached":
        text = "there is no service manager here; the daemon runs detached when it is needed"
        yield Finding(check, "note", text, data=data)
        return
    failed = [unit for unit in status.units if unit.state == "failed"]
    for unit in failed:
        said = f": {unit.text}" if unit.text else ""
        text = f"{unit.name} has failed{said}"
        remedy = "`runt service logs` tells why; then `runt service start`"
        yield Finding(check, "problem", text, remedy, data)
    if not status.installed:
        text = f"{status.manager} is here, and the service is not installed"
        # What is in its place is told by the check of other products.
        remedy = "" if in_our_place(e) else _INSTALL
        yield Finding(check, "note", text, remedy, data)
        return
    if status.enabled is False:
        yield Finding(check, "note", "the service does not start at login", _INSTALL, data)
    if status.running:
        yield Finding(check, "ok", f"the service runs, under {status.manager}", data=data)
    elif e.daemon_pid is not None:
        text = "a daemon runs that the service manager did not start"
        remedy = "`runt service start` has the service take over; kernels live on"
        yield Finding(check, "problem", text, remedy, data)
    elif e.is_activated():
        text = "the service is installed, and starts when it is spoken to"
        yield Finding(check, "ok", text, data=data)
    elif not failed:
        text = "the service is installed, and was stopped"
        yield Finding(check, "note", text, "runt service start", data)


def files(e: Examination) -> Iterator[Finding]:
    """Compare the installed files to what this version would install."""
    check, status = "service-files", e.status
    if not status.installed:
        yield Finding(check, "ok", "none are installed")
        return

    def renew() -> str:
        return "; ".join(e.manager.renew()) or "nothing was to be written"

    sound = True
    if status.program and not os.access(status.program, os.X_OK):
        sound = False
        text = f"the service starts {home(status.program)}, which is not there"
        yield Finding(check, "problem", text, "runt service restart", repair=renew)
    for file in status.files:
        if file.state == "differs":
            text = f"{home(file.path)} is not what this version would install"
        elif file.state == "missing":
            text = f"{home(file.path)} is missing"
        else:
            continue
        sound = False
        yield Finding(check, "problem", text, "runt service restart", {"path": file.path}, renew)
    if sound:
        yield Finding(check, "ok", "they are what this version would install")


def linger(e: Examination) -> Iterator[Finding]:
    """Look at whether the service, and its kernels, live on after logout."""
    check, is_on = "linger", e.status.linger

    def enable() -> str:
        lingering.enable()
        return "the service lives on after logout now"

    if is_on is False:
        yield Finding(
            check,
            "note",
            "at logout the user's services end, and with them all kernels of ours",
            lingering.COMMAND,
            repair=enable,
            question="Let services and kernels live on after logout?",
        )
    elif is_on:
        yield Finding(check, "ok", "services and kernels live on after logout")
    else:
        yield Finding(check, "ok", "there is no logind here that ends services at logout")


def environment(e: Examination) -> Iterator[Finding]:
    """Look at HOME and PATH as the daemon has them; kernels get those of who starts them."""
    check, report = "service-environment", e.report
    ours, theirs = os.path.expanduser("~"), report["home"]
    fix = _fix_variable(e, "HOME")
    if not theirs:
        text = "the daemon has no HOME, so that it finds neither kernelspecs nor settings"
        yield Finding(check, "problem", text, fix, {"home": None})
    elif not os.path.isdir(theirs):
        text = f"the daemon's HOME is {theirs}, which is no directory"
        yield Finding(check, "problem", text, fix, {"home": theirs})
    elif not _is_same(theirs, ours):
        text = f"the daemon's HOME is {theirs}, and yours here is {ours}"
        yield Finding(check, "note", text, fix, {"home": theirs})
    missing = missing_from(report["path"], os.environ.get("PATH", ""))
    if missing:
        yield Finding(
            check,
            "note",
            f"the daemon's PATH lacks {counted(len(missing), 'directory', 'directories')} of "
            "yours; kernels get yours when you start them, what comes without one does not",
            _fix_variable(e, "PATH"),
            {"names": missing},
        )
    if theirs and not missing:
        yield Finding(check, "ok", "the daemon has your HOME and the directories of your PATH")


def _fix_variable(e: Examination, name: str) -> str:
    """Return how a variable of the daemon's becomes ours, as its manager has it."""
    manager = e.status.manager
    if manager == "systemd":
        return f"`systemctl --user import-environment {name}`, then `runt service restart`"
    if manager == "launchd" and name == "PATH":
        return ""  # the plist has one that fits every shell
    return "runt service restart"


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return one == other


def missing_from(theirs: list[str], ours: str) -> list[str]:
    """Return the directories of our PATH that are there, and not in theirs."""
    known = {os.path.realpath(place) for place in theirs}
    places = dict.fromkeys(place for place in ours.split(os.pathsep) if os.path.isdir(place))
    return [place for place in places if os.path.realpath(place) not in known]
