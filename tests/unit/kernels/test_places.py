"""Directories as their makers lay them out, and what is listed of them. No Python is started."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.api.errors import AmbiguousReference, KernelNotFound
from runtimed.environment_cache import Cache, Record
from runtimed.kernels.environments import Wish, choose
from runtimed.kernels.listing import list_environments
from runtimed.kernels.places import environments
from tests.harness.jupyter import write_program

if TYPE_CHECKING:
    from runtimed.kernels.specs import SpecFinder

#: It fails whoever runs it: a list must not.
PYTHON = "#!/bin/sh\necho it was run >&2\nexit 9\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


def write_package(environment: Path, name: str, *, minor: str = "3.12") -> None:
    place = environment / "lib" / f"python{minor}" / "site-packages"
    place.mkdir(parents=True, exist_ok=True)
    (place / name).touch()


def write_venv(directory: Path, *, settings: str = "version = 3.12.4\n") -> Path:
    """What venv, virtualenv and uv leave behind."""
    write_program(directory / "bin" / "python", PYTHON)
    (directory / "pyvenv.cfg").write_text(f"home = /nowhere/bin\n{settings}")
    write_package(directory, "ipykernel_launcher.py")
    return directory


def write_conda(directory: Path, *, ipykernel: bool = True, version: str = "3.10.14") -> Path:
    """What conda leaves behind: a record of each package, and of what was done."""
    meta = directory / "conda-meta"
    meta.mkdir(parents=True)
    (meta / "history").write_text("==> 2026-01-01 00:00:00 <==\n")
    for name, file in (
        ("python", f"python-{version}-h955ad1f_1.json"),
        ("python-dateutil", "python-dateutil-2.9.0-pyhd8ed1ab_0.json"),
        ("python_abi", "python_abi-3.10-2_cp310.json"),
    ):
        (meta / file).write_text(json.dumps({"name": name}))
    write_program(directory / "bin" / "python3.10", PYTHON)
    (directory / "bin" / "python").symlink_to("python3.10")
    if ipykernel:
        write_package(directory, "ipykernel_launcher.py", minor=".".join(version.split(".")[:2]))
    return directory


def names(env: dict[str, str], project: Path | None = None) -> list[tuple[str, str]]:
    found = environments(env, str(project) if project else None)
    return [(place.kind, place.name) for place in found]


async def test_conda_as_it_lies_there(
    finder: SpecFinder, env: dict[str, str], home: Path, tmp_path: Path
) -> None:
    base = write_conda(home / "miniforge3", ipykernel=False)
    write_conda(base / "envs" / "science", version="3.11.9")
    other = write_conda(tmp_path / "far" / "elsewhere")
    write_conda(tmp_path / "shared" / "team")
    (home / ".conda").mkdir()
    (home / ".conda" / "environments.txt").write_text(f"{other}\n{base}\n{tmp_path}/gone\n")
    (home / ".condarc").write_text(f"channels: [conda-forge]\nenvs_dirs:\n  - {tmp_path}/shared\n")
    listed = await list_environments(env, None, finder)
    found = {entry.name: entry for entry in listed if entry.kind == "conda"}
    assert set(found) == {"miniforge3", "science", "elsewhere", "team"}
    assert found["science"].python_version == "3.11.9"
    assert found["science"].unusable is None
    assert found["science"].language == "python"
    assert "it has no ipykernel" in (found["miniforge3"].unusable or "")
    choice = await choose(Wish(env=env, kernel="science"), finder)
    assert choice.environment == str(base / "envs" / "science")
    assert choice.env["CONDA_PREFIX"] == str(base / "envs" / "science")


def test_the_base_is_found_from_an_environment_that_is_active(
    env: dict[str, str], tmp_path: Path
) -> None:
    base = write_conda(tmp_path / "anywhere")
    science = write_conda(base / "envs" / "science")
    active = env | {"CONDA_PREFIX": str(science), "CONDA_DEFAULT_ENV": "science"}
    assert names(active) == [("conda", "science"), ("conda", "anywhere")]


def test_a_condarc_that_is_none(env: dict[str, str], home: Path) -> None:
    (home / ".condarc").write_text("envs_dirs: {[\n")
    assert names(env) == []
    (home / ".condarc").write_bytes(b"envs_dirs: \xff\xfe")
    assert names(env) == []


def test_those_of_the_project_and_the_active_one(
    env: dict[str, str], project: Path, tmp_path: Path
) -> None:
    write_venv(project / ".venv", settings="uv = 0.9.1\nversion_info = 3.13.1\n")
    write_venv(project / "env")
    write_conda(project / ".pixi" / "envs" / "default")
    (project / "venv").mkdir()
    active = write_venv(tmp_path / "mine")
    found = names(env | {"VIRTUAL_ENV": str(active)}, project)
    assert found == [
        ("venv", "mine"),
        ("uv", "project"),
        ("venv", "project"),
        ("conda", "default"),
    ]


def test_collections_of_other_tools(env: dict[str, str], home: Path) -> None:
    for place in (
        ".virtualenvs/wrapper",
        ".local/share/virtualenvs/pipenv-x1",
        ".cache/pypoetry/virtualenvs/poetry-y2-py3.12",
        ".local/share/hatch/env/virtual/app/a1B2/hatch",
        ".pyenv/versions/3.12.4/envs/pyenv",
    ):
        write_venv(home / place)
    (home / ".pyenv/versions/pyenv").symlink_to(home / ".pyenv/versions/3.12.4/envs/pyenv")
    linux = env | {"XDG_DATA_HOME": "", "XDG_CACHE_HOME": ""}
    found = {name for _, name in names(linux)}
    assert {"wrapper", "pipenv-x1", "poetry-y2-py3.12", "hatch", "pyenv"} <= found
    (home / "elsewhere").mkdir()
    moved = names(linux | {"WORKON_HOME": str(home / "elsewhere")})
    assert ("venv", "wrapper") not in moved


async def test_a_name_of_two_is_asked_back(
    finder: SpecFinder, env: dict[str, str], home: Path, project: Path
) -> None:
    first = write_venv(home / ".virtualenvs" / "lab")
    second = write_conda(home / "miniconda3" / "envs" / "lab")
    with pytest.raises(AmbiguousReference) as caught:
        await choose(Wish(env=env, kernel="lab"), finder)
    assert caught.value.data["candidates"] == [str(first), str(second)]
    active = env | {"VIRTUAL_ENV": str(first)}
    assert (await choose(Wish(env=active, kernel="lab"), finder)).environment == str(first)


async def test_cached_ones_are_listed_with_what_they_have(
    finder: SpecFinder, env: dict[str, str], home: Path, cache_dir: Path
) -> None:
    cache = Cache(str(cache_dir))
    cache.create()
    whole = write_venv(Path(cache.path("0" * 20)))
    (whole / "lib/python3.12/site-packages/ipykernel").mkdir()
    cache.mark_ready("0" * 20, Record(["ipykernel", "six"], "3.12.4", "uv", 1234))
    write_venv(Path(cache.path("1" * 20)))
    (found,) = [e for e in await list_environments(env, None, finder) if e.kind == "cached"]
    assert (found.name, found.path) == ("six", str(whole))
    assert (found.dependencies, found.size_bytes) == (["ipykernel", "six"], 1234)
    assert found.used_at is not None and found.unusable is None
    assert (await choose(Wish(env=env, kernel="six"), finder)).environment == str(whole)
    mine = write_venv(home / ".virtualenvs" / "six")
    assert (await choose(Wish(env=env, kernel="six"), finder)).environment == str(mine)
    os.unlink(whole / "bin" / "python")
    (found,) = [e for e in await list_environments(env, None, finder) if e.kind == "cached"]
    assert "its Python is gone" in (found.unusable or "")


async def test_what_lets_an_environment_run_a_kernel(
    finder: SpecFinder, env: dict[str, str], home: Path, tmp_path: Path
) -> None:
    """ipykernel may come from elsewhere; where it does not, one command fixes it."""
    workon = home / ".virtualenvs"
    base = tmp_path / "base"
    write_program(base / "bin" / "python3.12")
    write_package(base, "ipykernel_launcher.py")
    (base / "lib" / "python3.12" / "ensurepip").mkdir()
    for name in ("system", "pth", "bare", "pip", "gone"):
        settings = f"version = 3.12.4\nhome = {base}/bin\n"
        if name == "system":
            settings += "include-system-site-packages = true\n"
        made = write_venv(workon / name, settings=settings)
        (made / "lib/python3.12/site-packages/ipykernel_launcher.py").unlink()
    site = "lib/python3.12/site-packages"
    (workon / "pth" / site / "x.pth").write_text(f"import sys; raise SystemExit\n{base}/{site}\n")
    (workon / "pip" / site / "pip").mkdir()
    (workon / "gone" / "bin" / "python").unlink()
    (workon / "gone" / "bin" / "python").symlink_to("/nowhere/python3.8")
    found = {e.name: e.unusable for e in await list_environments(env, None, finder)}
    assert found["system"] is found["pth"] is None
    python = workon / "bare" / "bin" / "python"
    assert f"{python} -m ensurepip && {python} -m pip install ipykernel" in (found["bare"] or "")
    python = workon / "pip" / "bin" / "python"
    assert (found["pip"] or "").endswith(f"this installs it: {python} -m pip install ipykernel")
    assert found["gone"] == "its Python is gone (/nowhere/python3.8); it is to be made anew"


async def test_a_version_names_a_python(
    finder: SpecFinder, env: dict[str, str], home: Path
) -> None:
    on_path = write_program(home / "bin" / "python3.10")
    managed = home / ".local/share/uv/python/cpython-3.13.1-linux-x86_64-gnu/bin/python3.13"
    write_program(managed)
    for version, program in (("3.10", on_path), ("3.13", managed)):
        assert (await choose(Wish(env=env, python=version), finder)).argv[0] == str(program)
    with pytest.raises(KernelNotFound):
        await choose(Wish(env=env, kernel="3.13"), finder)
