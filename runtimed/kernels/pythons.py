"""Python environments: what is one, which are active, and which interpreter it has.

Only looks at files; starts nothing.
"""

from __future__ import annotations

import glob
import os
import shutil
from typing import TYPE_CHECKING, Literal

from runtimed.plain_files import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["venv", "conda"]

#: The minor versions of Python 3 that are looked for by name.
_OLDEST_MINOR, _NEWEST_MINOR = 9, 40


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


def environment_name(directory: str) -> str:
    """Return what people call an environment: one that lies in a project goes by its name."""
    parent, name = os.path.split(os.path.abspath(directory))
    if name in (".venv", "venv", ".env", "env", ".conda"):
        return os.path.basename(parent) or name
    return name


def settings_of(directory: str) -> dict[str, str]:
    """Return what pyvenv.cfg says; nothing where it cannot be read."""
    pairs = [line.partition("=") for line in lines_of(os.path.join(directory, "pyvenv.cfg"))]
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def is_of_uv(directory: str) -> bool:
    """Return whether uv has made a virtual environment."""
    return "uv" in settings_of(directory)


def version_of(directory: str) -> str | None:
    """Return the version of an environment's Python as its files tell it, or as much as they do."""
    said = settings_of(directory)
    if version := said.get("version") or said.get("version_info"):
        return ".".join(version.split(".")[:3])  # virtualenv adds "final.0"
    for record in glob.glob(os.path.join(glob.escape(directory), "conda-meta", "python-*.json")):
        name, _, rest = os.path.basename(record).removesuffix(".json").partition("-")
        version, dash, _ = rest.partition("-")
        if name == "python" and dash and version[:1].isdigit():  # not python-dateutil
            return version
    libraries = glob.glob(os.path.join(glob.escape(directory), "lib", "python3.*"))
    return os.path.basename(libraries[0]).removeprefix("python") if libraries else None


def pyenv_root(env: Mapping[str, str]) -> str:
    """Return where pyenv has its Pythons."""
    home = env.get("HOME") or os.path.expanduser("~")
    return env.get("PYENV_ROOT") or os.path.join(home, ".pyenv")


def interpreters(env: Mapping[str, str]) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the Pythons at hand that tell their version by where they are, each with that.

    Those on PATH, uv's and pyenv's.
    """
    path = env.get("PATH", os.defpath)
    for minor in range(_OLDEST_MINOR, _NEWEST_MINOR + 1):
        if found := shutil.which(f"python3.{minor}", path=path):
            yield (3, minor), found
    home = env.get("HOME") or os.path.expanduser("~")
    data = env.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    of_uv = env.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python")
    for pattern in (
        os.path.join(glob.escape(of_uv), "cpython-3.*", "bin", "python3.*"),
        os.path.join(glob.escape(pyenv_root(env)), "versions", "3.*", "bin", "python3.*"),
    ):
        for program in glob.glob(pattern):
            minor_digits = os.path.basename(program).removeprefix("python3.")
            if minor_digits.isdecimal() and _is_program(program):
                yield (3, int(minor_digits)), program


def of_version(version: str, env: Mapping[str, str]) -> str | None:
    """Return the Python that a bare ``3.12`` means."""
    parts = version.split(".")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        return None
    wanted = (int(parts[0]), int(parts[1]))
    return next((path for found, path in interpreters(env) if found == wanted), None)


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
