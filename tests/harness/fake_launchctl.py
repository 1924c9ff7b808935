"""A stand-in for launchctl and launchd: records what it is asked, and runs what a plist says.

``$FAKE_LAUNCHD`` is its directory: ``asked`` has a line a call, ``<label>.json`` each loaded job.
A file ``no-gui`` there means that nobody is logged in at the screen. As with the real one, a job
that is told to go stays loaded until its process has ended, and to load what is loaded is error 5.
"""

from __future__ import annotations

import json
import os
import plistlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

DIRECTORY = Path(os.environ["FAKE_LAUNCHD"])
NOT_FOUND = 113


def main(argv: list[str]) -> int:
    with (DIRECTORY / "asked").open("a") as asked:
        asked.write(" ".join(argv) + "\n")
    match argv:
        case ["print", domain] if domain.count("/") == 1:
            has_gui = not (DIRECTORY / "no-gui").exists()
            return 0 if has_gui or domain.startswith("user/") else NOT_FOUND
        case ["print", target]:
            return show(label_of(target))
        case ["enable" | "disable", _]:
            return 0
        case ["bootstrap", _, path]:
            return bootstrap(Path(path))
        case ["bootout", target]:
            return bootout(label_of(target))
        case ["kickstart", "-k", target]:
            return kickstart(label_of(target), kills=True)
        case ["kickstart", target]:
            return kickstart(label_of(target), kills=False)
        case ["kill", name, target]:
            job = loaded(label_of(target))
            os.kill(job["pid"], getattr(signal, name))
            return 0
    return fail(64, f"Unrecognized subcommand: {' '.join(argv)}")


def label_of(target: str) -> str:
    return target.rpartition("/")[2]


def loaded(label: str) -> dict[str, Any]:
    path = DIRECTORY / f"{label}.json"
    if not path.exists():
        return {}
    job: dict[str, Any] = json.loads(path.read_text())
    if job["pid"] and not lives(job["pid"]):
        job["pid"] = 0
        if job["leaves"]:
            path.unlink()
            return {}
    return job


def save(label: str, job: dict[str, Any]) -> None:
    (DIRECTORY / f"{label}.json").write_text(json.dumps(job))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def show(label: str) -> int:
    job = loaded(label)
    if not job:
        return fail(NOT_FOUND, f'Could not find service "{label}" in domain for user')
    print(f"{label} = {{")
    print(f"\tpath = {job['path']}")
    print(f"\tstate = {'running' if job['pid'] else 'not running'}")
    if job["pid"]:
        print(f"\tpid = {job['pid']}")
    print("\tenvironment = {")
    for name, value in job.get("given", {}).items():
        print(f"\t\t{name} => {value}")
    print("\t}")
    print("}")
    return 0


def bootstrap(path: Path) -> int:
    plist = plistlib.loads(path.read_bytes())
    label = plist["Label"]
    if loaded(label):
        return fail(5, "Bootstrap failed: 5: Input/output error")
    given = plist.get("EnvironmentVariables", {})
    job = {"path": str(path), "pid": 0, "leaves": False, "given": given}
    if plist.get("RunAtLoad"):
        job["pid"] = spawn(plist)
    save(label, job)
    return 0


def bootout(label: str) -> int:
    job = loaded(label)
    if not job:
        return fail(3, "Boot-out failed: 3: No such process")
    if not job["pid"]:
        (DIRECTORY / f"{label}.json").unlink()
        return 0
    os.kill(job["pid"], signal.SIGTERM)
    save(label, {**job, "leaves": True})
    return fail(36, "Boot-out failed: 36: Operation now in progress")


def kickstart(label: str, *, kills: bool) -> int:
    job = loaded(label)
    if not job:
        return fail(NOT_FOUND, f'Could not find service "{label}"')
    if job["pid"] and kills:
        os.kill(job["pid"], signal.SIGTERM)
        while lives(job["pid"]):
            pass
        job["pid"] = 0
    if not job["pid"]:
        job["pid"] = spawn(plistlib.loads(Path(job["path"]).read_bytes()))
    save(label, job)
    return 0


def spawn(plist: dict[str, Any]) -> int:
    """Start a job as launchd does: nothing of the caller's environment is in its own."""
    with open(plist["StandardOutPath"], "ab") as out, open(plist["StandardErrorPath"], "ab") as err:
        process = subprocess.Popen(
            plist["ProgramArguments"],
            env=plist["EnvironmentVariables"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    process.returncode = 0  # it outlives us
    return process.pid


def fail(status: int, text: str) -> int:
    print(text, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
