"""Python environments: what is one, which are active, and which interpreter it has.

Only looks at files; starts nothing.
"""

from __future__ import annotations

import glob
import os
import shutil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["venv", "conda"]


def kind_of(directory: str) -> Kind | None:
    """Return what kind of Python environment a directory is, None if it is none.

    By pyvenv.cfg (https://docs.python.org/3/library/site.html) or conda-meta.
    """
    if os.path.isfile(os.path.join(directory, "pyvenv.cfg")):
        return "venv"
    if os.path.isdir(os.path.join(directory, "conda-meta")):
        return "conda"
    return None


def python_of(path: str) -> str | None:
    """Return the interpreter of an environment, or the interpreter that the path itself is.

    A directory may also be a plain prefix such as /usr. Links are kept: a venv's python is one,
    and its target would be another Python.
    """
    path = os.path.abspath(path)
    if os.path.isdir(path):
        candidates = [os.path.join(path, "bin", name) for name in ("python", "python3")]
    else:
        candidates = [path]
    return next((found for found in candidates if _is_program(found)), None)


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def environment_of(python: str) -> str | None:
    """Return the environment that an interpreter belongs to, None if it is a plain Python."""
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    return prefix if kind_of(prefix) else None


def has_ipykernel(python: str) -> bool:
    """Return whether ipykernel lies in the interpreter's own site-packages.

    False means nothing yet: it may come from elsewhere (.pth files, system packages).
    """
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    launcher = os.path.join(glob.escape(prefix), "lib/python3*/site-packages/ipykernel_launcher.py")
    return bool(glob.glob(launcher))


def active_environment(env: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the caller's active environment and the variable that names it.

    conda's ``base`` does not count: most shells of conda users are in it without anyone having
    chosen it. (Its kernelspecs are found, so an Anaconda with ipykernel is used all the same.)
    Where both variables are set, the one whose programs come first on PATH was activated last.
    """
    active = {}
    if virtual_env := env.get("VIRTUAL_ENV"):
        active["VIRTUAL_ENV"] = virtual_env
    conda_prefix = env.get("CONDA_PREFIX")
    if conda_prefix and env.get("CONDA_DEFAULT_ENV") not in ("base", "root"):
        active["CONDA_PREFIX"] = conda_prefix
    path = env.get("PATH", "").split(os.pathsep)

    def place_on_path(variable: str) -> int:
        programs = os.path.join(active[variable], "bin")
        return path.index(programs) if programs in path else len(path)

    first = min(active, key=place_on_path, default=None)
    return (active[first], first) if first else None


def project_environment(project: str | None) -> str | None:
    """Return the project's ``.venv``, if it is an environment."""
    if not project:
        return None
    directory = os.path.join(project, ".venv")
    return directory if kind_of(directory) else None


def known_environments(env: Mapping[str, str], project: str | None) -> Iterator[tuple[str, str]]:
    """Yield name and directory of the environments that the caller may mean by a name.

    The active one, the project's, and conda's, as conda itself lists them in
    ``~/.conda/environments.txt``. A ``.venv`` goes by the name of what it lies in.
    """
    seen: set[str] = set()
    active = active_environment(env)
    directories = [active[0]] if active else []
    if venv := project_environment(project):
        directories.append(venv)
    directories += _conda_environments(env)
    for directory in directories:
        place = os.path.realpath(directory)
        if kind_of(directory) and place not in seen:
            seen.add(place)
            yield environment_name(directory), directory


def environment_name(directory: str) -> str:
    """Return what people call an environment."""
    parent, name = os.path.split(os.path.abspath(directory))
    if name in (".venv", "venv", ".env", "env"):
        return os.path.basename(parent) or name
    return name


def _conda_environments(env: Mapping[str, str]) -> list[str]:
    home = env.get("HOME") or os.path.expanduser("~")
    try:
        with open(os.path.join(home, ".conda", "environments.txt"), encoding="utf-8") as listing:
            return [line.strip() for line in listing if line.strip()]
    except (OSError, UnicodeDecodeError):
        return []


def find_program(name: str, env: Mapping[str, str], cwd: str | None) -> str | None:
    """Return the program that ``name`` means to the caller: a path, or looked up on its PATH."""
    if os.sep in name:
        path = resolve(name, env, cwd)
        return path if _is_program(path) else None
    return shutil.which(name, path=env.get("PATH", os.defpath))


def resolve(path: str, env: Mapping[str, str], cwd: str | None) -> str:
    """Return the absolute form of what the caller wrote, with its home and directory."""
    if path == "~" or path.startswith("~/"):
        path = (env.get("HOME") or os.path.expanduser("~")) + path[1:]
    return os.path.abspath(os.path.join(cwd or os.sep, path))
