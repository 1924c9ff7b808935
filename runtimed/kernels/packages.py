"""What a Python environment has, as its files tell: no interpreter is started for a list.

What only code in a .pth file would add is not seen: a start is tried whatever is said here.
"""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING

from runtimed.kernels import pythons
from runtimed.kernels.diagnosis import Packages, missing_ipykernel
from runtimed.plain_files import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def unusable_because(directory: str, env: Mapping[str, str]) -> str | None:
    """Return why an environment cannot run ipykernel, None if it can."""
    python = pythons.python_of(directory)
    if python is None:
        link = os.path.join(directory, "bin", "python")
        if os.path.islink(link):
            return f"its Python is gone ({os.path.realpath(link)}); it is to be made anew"
        return "there is no Python in it"
    places = list(_import_path(directory, env))
    if any(os.path.isfile(os.path.join(place, "ipykernel_launcher.py")) for place in places):
        return None
    packages = Packages(
        ipykernel=False,
        pip=any(os.path.isdir(os.path.join(place, "pip")) for place in places),
        ensurepip=_has_ensurepip(directory),
        managed=False,
    )
    return missing_ipykernel(python, packages, env)


def _import_path(directory: str, env: Mapping[str, str]) -> Iterator[str]:
    """Yield where modules are imported from, the standard library aside."""
    yield from (each for each in env.get("PYTHONPATH", "").split(os.pathsep) if each)
    prefixes = [directory]
    if pythons.settings_of(directory).get("include-system-site-packages", "").lower() == "true":
        prefixes.append(_base_of(directory))
        home = env.get("HOME") or os.path.expanduser("~")
        prefixes.append(env.get("PYTHONUSERBASE") or os.path.join(home, ".local"))
    version = pythons.version_of(directory) or ""
    minor = ".".join(version.split(".")[:2]) or "3*"
    for prefix in prefixes:
        for place in _site_packages(prefix, minor):
            yield place
            yield from _added(place)


def _base_of(directory: str) -> str:
    """Return the prefix of the Python that a virtual environment was made from."""
    return os.path.dirname(pythons.settings_of(directory).get("home", "")) or "/usr"


def _site_packages(prefix: str, minor: str) -> list[str]:
    quoted = glob.escape(prefix)
    patterns = [
        os.path.join(quoted, "lib*", f"python{minor}", "site-packages"),
        os.path.join(quoted, "lib", f"python{minor}", "dist-packages"),
    ]
    if prefix == "/usr":  # Debian's
        patterns.append("/usr/lib/python3/dist-packages")
        patterns.append(f"/usr/local/lib/python{minor}/dist-packages")
    return [place for pattern in patterns for place in glob.glob(pattern)]


def _added(place: str) -> Iterator[str]:
    """Yield the directories that .pth files add (https://docs.python.org/3/library/site.html)."""
    for path in glob.glob(os.path.join(glob.escape(place), "*.pth")):
        for line in lines_of(path):
            if line and not line.startswith(("#", "import ", "import\t")):
                yield os.path.join(place, line)


def _has_ensurepip(directory: str) -> bool:
    home = pythons.settings_of(directory).get("home")
    base = os.path.dirname(home) if home else directory
    return bool(glob.glob(os.path.join(glob.escape(base), "lib", "python3.*", "ensurepip")))
