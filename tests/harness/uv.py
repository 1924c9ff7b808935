"""The real uv, from the index: it builds in a second what takes pip ten."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def install_uv(place: Path) -> Path:
    """Install it there, and return the program."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place)]
    subprocess.run([*command, "uv"], check=True)
    return place / "bin" / "uv"
