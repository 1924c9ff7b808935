"""What there is to say about the service: gathered from its manager and from the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runt import render, session
from runtimed import __version__
from runtimed.client.connecting import CallFailed
from runtimed.managers import keepers
from runtimed.managers.detached import answers_at, holder_of

if TYPE_CHECKING:
    from typing import Any

    from runtimed.managers.instance import Instance
    from runtimed.managers.protocol import Manager, Status

#: How long the keeper may take to answer before it is said to hang.
_KEEPER_PATIENCE_S = 3.0
_LINGER = {
    True: "on: it lives on after logout",
    False: "off: it ends at logout, with its kernels (`loginctl enable-linger`)",
}
_FILES = {
    "differs": "is not what this version would install (`runt service restart` writes it anew)",
    "missing": "is missing (`runt service install`)",
    "foreign": "is not ours",
}


def document(manager: Manager, instance: Instance) -> dict[str, Any]:
    """Return everything about the service, as JSON; nothing is started by looking."""
    status = manager.status()
    daemon = daemon_status(instance)
    holder = None if daemon else holder_of(instance.state.daemon_lock)
    found = answers_at(instance) if daemon is None else None
    keeper = (daemon["keeper_pid"] if daemon else None) or _keeper_pid(status, instance)
    return {
        "manager": status.manager,
        "installed": status.installed,
        "enabled": status.enabled,
        "running": daemon is not None,
        "hangs": daemon is None and holder is not None and found is None,
        "answers_at": found[1] if found else None,
        "linger": status.linger,
        "program": status.program,
        "version": __version__,
        "daemon": _daemon(daemon, holder),
        "keeper": _keeper(keeper, daemon, instance),
        "socket": instance.socket,
        "state_dir": instance.state_dir,
        "units": [vars(unit) for unit in status.units],
        "files": [file._asdict() for file in _of_interest(status)],
    }


def _daemon(answer: dict[str, Any] | None, holder: int | None) -> dict[str, Any] | None:
    if answer is not None:
        return {"pid": answer["pid"], "version": answer["version"]}
    return None if holder is None else {"pid": holder or None, "version": None}


def _keeper(
    pid: int | None, daemon: dict[str, Any] | None, instance: Instance
) -> dict[str, Any] | None:
    if pid is None:
        return None
    is_of_daemon = daemon is not None and daemon["keeper_pid"] == pid
    return {
        "pid": pid or None,
        "version": daemon.get("keeper_version") if daemon and is_of_daemon else None,
        "hangs": keepers.hangs(instance.state, _KEEPER_PATIENCE_S),
        "connected": is_of_daemon,
    }


def _of_interest(status: Status) -> list[Any]:
    return [f for f in status.files if status.installed or f.state == "foreign"]


def _keeper_pid(status: Status, instance: Instance) -> int | None:
    """Return the pid of the keeper, 0 if there is one and nobody knows, None if there is none."""
    running = ("active", "running")
    known = [u.pid for u in status.units if "keeper" in u.name and u.state in running and u.pid]
    return known[0] if known else holder_of(instance.state.keeper_lock)


def daemon_status(instance: Instance) -> dict[str, Any] | None:
    """Return what the daemon says of itself, None where none runs or answers.

    The socket alone is not asked: where a service manager holds it, that starts a daemon.
    """
    if holder_of(instance.state.daemon_lock) is None:
        return None
    try:
        answer: dict[str, Any] = session.call("daemon.status", {}, start=False)
    except CallFailed:
        return None
    return answer


def living_kernels(*, start: bool) -> int | None:
    """Return how many kernels live that we have started, None where nobody can tell."""
    try:
        runtimes = session.call("runtime.list", {}, start=start)
    except CallFailed:
        return None
    alive = [r for r in runtimes if r["origin"] == "launched" and r["status"] != "dead"]
    return len(alive)


def counted(kernels: int) -> str:
    """Return a number of kernels in words."""
    return "1 kernel" if kernels == 1 else f"{kernels} kernels"


def lives(kernels: int) -> str:
    """Return that so many kernels live on."""
    return f"{counted(kernels)} {'lives' if kernels == 1 else 'live'} on"


def text(service: dict[str, Any]) -> str:
    """Return the document for people."""
    daemon, keeper = service["daemon"], service["keeper"]
    fields = {
        "manager": service["manager"],
        "installed": _installed(service),
        "daemon": _daemon_text(service),
        "keeper": _keeper_text(service),
        "socket": render.home(service["socket"]),
        "state": render.home(service["state_dir"]),
    }
    if service["program"]:
        fields["program"] = render.home(service["program"])
    if service["linger"] is not None:
        fields["linger"] = _LINGER[service["linger"]]
    for unit in service["units"]:
        pid = f", pid {unit['pid']}" if unit["pid"] else ""
        said = f": {unit['text']}" if unit["text"] else ""
        fields[unit["name"]] = f"{unit['state']}{pid}{said}"
    for file in service["files"]:
        if file["state"] in _FILES:
            fields[render.home(file["path"])] = _FILES[file["state"]]
    if _is_older(daemon, service) or _is_older(keeper, service):
        fields["note"] = (
            f"this is runt {service['version']}; `runt service restart` moves them to it"
        )
    return render.fields(fields)


def _daemon_text(service: dict[str, Any]) -> str:
    if not service["daemon"]:
        return "not running"
    if service["answers_at"]:
        return (
            f"pid {service['daemon']['pid']} answers at {render.home(service['answers_at'])}, "
            "and not here; set RUNTIMED_SOCKET to that, or unset it"
        )
    if service["hangs"]:
        pid = service["daemon"]["pid"] or "unknown"
        return f"does not answer (pid {pid}); `runt service restart` replaces it"
    return _process(service["daemon"])


def _keeper_text(service: dict[str, Any]) -> str:
    keeper = service["keeper"]
    if not keeper:
        return "not running"
    if keeper["hangs"]:
        pid = keeper["pid"] or "unknown"
        return f"does not answer (pid {pid}); `runt service restart` replaces it"
    is_missed = service["running"] and not keeper["connected"]
    return _process(keeper) + (", not connected to the daemon" if is_missed else "")


def _process(process: dict[str, Any]) -> str:
    version = f", version {process['version']}" if process["version"] else ""
    return f"pid {process['pid'] or 'unknown'}{version}"


def _is_older(process: dict[str, Any] | None, service: dict[str, Any]) -> bool:
    return process is not None and process["version"] not in (None, service["version"])


def _installed(service: dict[str, Any]) -> str:
    if not service["installed"]:
        return "no"
    return "yes" if service["enabled"] else "yes, but it does not start at login"
