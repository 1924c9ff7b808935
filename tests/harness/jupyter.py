"""Jupyter trees and Python environments made for a test."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

IPYKERNEL_ARGV = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


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
