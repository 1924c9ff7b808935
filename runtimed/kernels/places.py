"""Where Python environments lie that a caller may mean: directories are looked at, nothing else."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from runtimed.environment_cache import Cache, Cached
from runtimed.kernels import pythons
from runtimed.paths import UnsafePath, cache_dir
from runtimed.plain_files import lines_of, read_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["venv", "uv", "conda", "cached"]

#: What an environment is called that lies in the project whose it is.
_IN_PROJECT = (".venv", "venv", "env", ".env", ".conda")
#: Where installers of conda put it, for everybody and in the user's home.
_CONDA_FOR_ALL = ("/opt/conda",)
_CONDA_HOMES = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", ".conda")


class Place(NamedTuple):
    """An environment: what people call it, where it is, and of which kind it is.

    ``is_near``: it is the active one, or the project's, and wins over others of its name.
    """

    name: str
    directory: str
    kind: Kind
    is_near: bool
    cached: Cached | None = None


def environments(env: Mapping[str, str], project: str | None) -> Iterator[Place]:
    """Yield what the caller may mean by a name, each once: near ones first, then by who made it."""
    seen: set[str] = set()
    near = list(_near(env, project))
    for directory in (*near, *_collections(env), *conda_environments(env)):
        kind = pythons.kind_of(directory)
        if kind is None or (place := os.path.realpath(directory)) in seen:
            continue
        seen.add(place)
        shown: Kind = "uv" if kind == "venv" and pythons.is_of_uv(directory) else kind
        name = pythons.environment_name(directory)
        yield Place(name, os.path.abspath(directory), shown, directory in near)
    cache = Cache(cache_dir())
    try:
        cache.check()
    except (UnsafePath, OSError):
        return  # what others may have written there is not to be started by its name
    for cached in cache.all():
        if cached.record is not None and os.path.realpath(cached.path) not in seen:
            yield Place(cached.name, cached.path, "cached", False, cached)


def _near(env: Mapping[str, str], project: str | None) -> Iterator[str]:
    if active := pythons.active_environment(env):
        yield active[0]
    if project:
        for name in _IN_PROJECT:
            yield os.path.join(project, name)
        yield from _below(os.path.join(project, ".pixi", "envs"))


def _collections(env: Mapping[str, str]) -> Iterator[str]:
    """Yield what virtualenvwrapper, Pipenv, Poetry, Hatch and pyenv keep in places of their own."""
    home = _home(env)
    data = env.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    caches = env.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    if sys.platform == "darwin":
        data = os.path.join(home, "Library", "Application Support")
        caches = os.path.join(home, "Library", "Caches")
    yield from _below(env.get("WORKON_HOME") or os.path.join(home, ".virtualenvs"))
    yield from _below(os.path.join(home, ".local", "share", "virtualenvs"))
    poetry = env.get("POETRY_CACHE_DIR") or os.path.join(caches, "pypoetry")
    yield from _below(env.get("POETRY_VIRTUALENVS_PATH") or os.path.join(poetry, "virtualenvs"))
    hatch = env.get("HATCH_DATA_DIR") or os.path.join(data, "hatch")
    for of_project in _below(os.path.join(hatch, "env", "virtual")):
        yield from _below(of_project)
        for of_hash in _below(of_project):
            yield from _below(of_hash)
    for version in _below(os.path.join(pythons.pyenv_root(env), "versions")):
        yield from _below(os.path.join(version, "envs"))
        yield version  # pyenv's links to them; a plain Python is no environment


def conda_environments(env: Mapping[str, str]) -> Iterator[str]:
    """Yield conda's: as it lists them itself, the bases, and what lies where it puts them.

    https://docs.conda.io/projects/conda/en/stable/user-guide/configuration/
    """
    home = _home(env)
    yield from _lines(os.path.join(home, ".conda", "environments.txt"))
    bases = [os.path.join(home, name) for name in _CONDA_HOMES]
    if root := env.get("MAMBA_ROOT_PREFIX"):
        bases.append(root)
    if program := env.get("CONDA_EXE"):  # <base>/bin/conda
        bases.append(os.path.dirname(os.path.dirname(program)))
    if prefix := env.get("CONDA_PREFIX"):
        above = os.path.dirname(prefix)
        bases.append(os.path.dirname(above) if os.path.basename(above) == "envs" else prefix)
    for base in (*bases, *_CONDA_FOR_ALL):
        yield base
        yield from _below(os.path.join(base, "envs"))
    for variable in ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS"):
        for directory in env.get(variable, "").split(os.pathsep):
            yield from _below(directory)
    for directory in _envs_dirs(os.path.join(home, ".condarc")):
        yield from _below(pythons.resolve(directory, env, home))


def _envs_dirs(condarc: str) -> list[str]:
    """Return ``envs_dirs`` of conda's settings; nothing of a file that cannot be read."""
    try:
        text = read_plain(condarc)
    except OSError:
        return []
    if b"envs_" not in text:
        return []
    import yaml

    try:
        settings = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    if not isinstance(settings, dict):
        return []
    found = settings.get("envs_dirs") or settings.get("envs_path")
    found = [found] if isinstance(found, str) else found
    found = found if isinstance(found, list) else []
    return [each for each in found if isinstance(each, str) and "\0" not in each]


def _home(env: Mapping[str, str]) -> str:
    return env.get("HOME") or os.path.expanduser("~")


def _lines(path: str) -> list[str]:
    return [line for line in lines_of(path) if line]


def _below(directory: str) -> list[str]:
    """Return what lies in a directory, by name; nothing where there is none."""
    try:
        return [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
    except (OSError, ValueError):
        return []
