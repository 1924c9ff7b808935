"""Files of others that are not what they should be: nothing waits for them, or fails of them."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest

from runtimed.api.errors import KernelNotFound
from runtimed.kernels import places, pythons
from runtimed.kernels.environments import Wish, choose
from runtimed.kernels.listing import list_environments
from runtimed.plain_files import MOST_BYTES, lines_of
from tests.harness.jupyter import write_program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runtimed.api.environments import Environment
    from runtimed.kernels.specs import SpecFinder


def write_venv(directory: Path) -> Path:
    write_program(directory / "bin" / "python")
    (directory / "pyvenv.cfg").write_text("home = /nowhere/bin\nversion = 3.12.4\n")
    return directory


def in_time(do: Callable[[], object]) -> bool:
    """Say whether it ends by itself; a thread that hangs is left to the end of the process."""
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(timeout=20)
    return not thread.is_alive()


def of_venvs(listed: list[Environment]) -> list[str]:
    return [entry.name for entry in listed if entry.kind == "venv"]


async def test_a_fifo_is_not_waited_for(
    finder: SpecFinder, env: dict[str, str], home: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    packages = write_venv(project / ".venv") / "lib" / "python3.12" / "site-packages"
    packages.mkdir(parents=True)
    os.mkfifo(packages / "x.pth")
    conda = write_venv(home / ".virtualenvs" / "c")
    (conda / "conda-meta").mkdir()
    (conda / "pyvenv.cfg").unlink()
    os.mkfifo(conda / "pyvenv.cfg")
    (home / ".conda").mkdir()
    os.mkfifo(home / ".conda" / "environments.txt")
    os.mkfifo(home / ".condarc")
    async with asyncio.timeout(60):
        listed = await list_environments(env, str(project), finder)
        assert of_venvs(listed) == ["project"]
        with pytest.raises(KernelNotFound):
            await choose(Wish(env=env, kernel="no-such", project=str(project)), finder)


@pytest.mark.parametrize(
    "condarc", ["- envs_dirs", "envs_dirs: " + "[" * 3000, 'envs_dirs: ["a\\0b"]\n']
)
def test_what_no_program_would_write(env: dict[str, str], home: Path, condarc: str) -> None:
    (home / ".conda").mkdir()
    mine = write_venv(home / "mine")
    (home / ".conda" / "environments.txt").write_text(f"/a\0b\n{mine}\n")
    (home / ".condarc").write_text(condarc)
    active = env | {"VIRTUAL_ENV": "\0"}
    assert [place.name for place in places.environments(active, None)] == ["mine"]


def test_only_so_much_is_read(tmp_path: Path) -> None:
    directory = write_venv(tmp_path / "x")
    line = "version = 3.12.4\n"
    (directory / "pyvenv.cfg").write_text(line * (MOST_BYTES // len(line) + 10))
    assert set(lines_of(str(directory / "pyvenv.cfg"))) == {line.strip()}
    with open(directory / "pyvenv.cfg", "a") as file:
        file.truncate(1 << 40)  # a hole: more than any memory
    assert in_time(lambda: pythons.settings_of(str(directory)))
    assert pythons.version_of(str(directory)) == "3.12.4"


async def test_the_loop_goes_on_while_a_home_hangs(
    finder: SpecFinder, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    seen = []

    def hang(*_: object) -> list[places.Place]:
        begun.set()
        seen.append(goes_on.wait(timeout=20))
        return []

    async def let_go() -> None:
        while not begun.is_set():
            await asyncio.sleep(0.01)
        goes_on.set()

    monkeypatch.setattr(places, "environments", hang)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(let_go())
        with pytest.raises(KernelNotFound):
            await choose(Wish(env=env, kernel="no-such"), finder)
    assert seen == [True]


async def test_a_cache_that_others_may_write_is_not_looked_into(
    env: dict[str, str], cache_dir: Path
) -> None:
    key = cache_dir / "environments" / ("0" * 20)
    write_venv(key)
    (key / "runtimed.json").write_text(
        '{"requirements": ["six"], "python_version": "3.12", "tool": "uv", "size_bytes": 1}'
    )
    os.chmod(key.parent, 0o700)
    assert [place.name for place in places.environments(env, None)] == ["six"]
    os.chmod(key.parent, 0o777)
    assert list(places.environments(env, None)) == []


async def test_one_odd_line_or_file_takes_nothing_from_the_others(
    finder: SpecFinder, env: dict[str, str], home: Path
) -> None:
    (home / ".conda").mkdir()
    mine = write_venv(home / "mine")
    (home / ".conda" / "environments.txt").write_bytes(f"/caf\xe9\n{mine}\n".encode("latin-1"))
    odd = write_venv(home / ".virtualenvs" / "odd")
    (odd / "pyvenv.cfg").write_text("home = /usr\0/bin\nversion = 3.12.4\n")
    assert of_venvs(await list_environments(env, None, finder)) == ["odd", "mine"]
