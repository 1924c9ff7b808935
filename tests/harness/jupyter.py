"""Jupyter trees and Python environments made for a test."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

IPYKERNEL_ARGV = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


#: Where kernelspecs are seen by everybody: our own environment's, and the machine's.
_EVERYBODYS = (sys.prefix, "/usr/local", "/usr")


def everybodys_kernels() -> set[str]:
    """Return the kernelspecs that a user with an empty home sees here, but for our own python3."""
    places = (Path(prefix, "share", "jupyter", "kernels") for prefix in _EVERYBODYS)
    found = (path.parent.name for place in places for path in place.glob("*/kernel.json"))
    return set(found) - {"python3"}


def write_kernelspec(jupyter_dir: Path, name: str, **facts: Any) -> Path:
    """Write a kernelspec below a Jupyter data directory, and return its own directory."""
    directory = jupyter_dir / "kernels" / name
    directory.mkdir(parents=True, exist_ok=True)
    spec = {"argv": IPYKERNEL_ARGV, "display_name": name, "language": "python"} | facts
    (directory / "kernel.json").write_text(json.dumps(spec))
    return directory


def make_venv(directory: Path, *, ipykernel: bool, pip: bool = False) -> Path:
    """Make a real virtual environment, ipykernel borrowed from the tests' own."""
    command = [sys.executable, "-m", "venv", *([] if pip else ["--without-pip"]), str(directory)]
    subprocess.run(command, check=True)
    if ipykernel:
        borrow = site_packages(directory) / "borrowed.pth"
        borrow.write_text(sysconfig.get_path("purelib") + "\n")
    return directory


def site_packages(venv: Path) -> Path:
    """Return where a virtual environment's packages are."""
    (found,) = venv.glob("lib/python3*/site-packages")
    return found


def write_program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def write_ipykernel(environment: Path) -> None:
    """Write what an environment with ipykernel is known by."""
    place = environment / "lib" / "python3.12" / "site-packages"
    (place / "ipykernel").mkdir(parents=True)
    (place / "ipykernel_launcher.py").touch()
