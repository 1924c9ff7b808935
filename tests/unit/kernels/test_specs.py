from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.api.errors import FinderUnavailable
from runtimed.kernels import specs
from runtimed.kernels.specs import SpecFinder, begins_with_tcp, format_argv
from tests.harness.jupyter import everybodys_kernels, write_kernelspec

if TYPE_CHECKING:
    from pathlib import Path


async def test_without_any_kernelspec_there_is_our_own_ipykernel(
    finder: SpecFinder, env: dict[str, str]
) -> None:
    found = await finder.find(env)
    assert set(found) - everybodys_kernels() == {"python3"}
    assert found["python3"].own
    assert found["python3"].argv[0] == sys.executable


async def test_a_python3_of_the_users_hides_ours(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path
) -> None:
    directory = write_kernelspec(user_jupyter, "python3", display_name="Mine", env={"A": "1"})
    spec = (await finder.find(env))["python3"]
    assert not spec.own
    assert spec.resource_dir == str(directory)
    assert spec.display_name == "Mine"
    assert spec.env == {"A": "1"}
    assert spec.argv[0] == "python"


async def test_directories_in_the_order_of_the_caller(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, tmp_path: Path
) -> None:
    venv, extra = tmp_path / "venv", tmp_path / "extra"
    for name in ("everywhere", "user-and-venv", "venv-only"):
        write_kernelspec(venv / "share" / "jupyter", name, display_name="venv")
    for name in ("everywhere", "user-and-venv"):
        write_kernelspec(user_jupyter, name, display_name="user")
    write_kernelspec(extra, "everywhere", display_name="JUPYTER_PATH")
    env |= {"JUPYTER_PATH": str(extra), "VIRTUAL_ENV": str(venv)}

    found = await finder.find(env)
    assert found["everywhere"].display_name == "JUPYTER_PATH"
    assert found["user-and-venv"].display_name == "user"
    assert found["venv-only"].display_name == "venv"
    assert found["venv-only"].prefix == str(venv)

    found = await finder.find(env | {"JUPYTER_PREFER_ENV_PATH": "1"})
    assert found["everywhere"].display_name == "JUPYTER_PATH"
    assert found["user-and-venv"].display_name == "venv"


async def test_jupyter_data_dir_is_the_callers(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kernelspec(tmp_path / "theirs", "theirs")
    write_kernelspec(tmp_path / "daemons", "daemons")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "daemons"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "daemons"))
    found = await finder.find(env | {"JUPYTER_DATA_DIR": str(tmp_path / "theirs")})
    assert set(found) - everybodys_kernels() == {"theirs", "python3"}


async def test_a_callers_python_variables_do_not_break_the_finder(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path, user_jupyter: Path
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    write_kernelspec(user_jupyter, "mine")
    env |= {"PYTHONHOME": "/nonexistent", "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "/x"}
    assert "mine" in await finder.find(env)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "Expecting property name"),
        ("[]", "is not a kernelspec"),
        ('{"argv": []}', "has no argv"),
        ('{"argv": ["x", 1]}', "has no argv"),
        ('{"argv": 5}', "is not a kernelspec"),
        ('{"argv": ["x"], "env": {"A": 1}}', "values of env must be strings"),
        ('{"argv": ["x"], "interrupt_mode": "shout"}', "interrupt_mode"),
        ('{"argv": ["x"], "metadata": {"kernel_provisioner": "k8s"}}', "kernel_provisioner"),
        (b"\xff\xfe".decode("latin-1"), "is not a kernelspec"),
    ],
)
async def test_a_broken_kernelspec_says_why_and_leaves_the_others(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, text: str, complaint: str
) -> None:
    write_kernelspec(user_jupyter, "good")
    broken = write_kernelspec(user_jupyter, "broken")
    (broken / "kernel.json").write_bytes(text.encode("latin-1"))
    found = await finder.find(env)
    assert found["good"].unusable is None
    unusable = found["broken"].unusable
    assert unusable is not None
    assert complaint in unusable
    assert str(broken / "kernel.json") in unusable


async def test_a_remote_provisioner_is_named(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path
) -> None:
    metadata = {"kernel_provisioner": {"provisioner_name": "k8s"}}
    write_kernelspec(user_jupyter, "far", metadata=metadata)
    assert (await finder.find(env))["far"].provisioner == "k8s"


class Lookings:
    """Counts how often the finder really looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._look = specs._look
        monkeypatch.setattr(specs, "_look", self)

    async def __call__(self, env: dict[str, str]) -> specs.Found:
        self.count += 1
        return await self._look(env)


async def test_a_second_look_starts_nothing(
    finder: SpecFinder, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lookings = Lookings(monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(finder.find(env))
    await finder.find(env | {"IRRELEVANT": "1", "PATH": "/elsewhere"})
    assert lookings.count == 1


async def test_every_kind_of_change_is_seen(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookings = Lookings(monkeypatch)
    assert "mine" not in await finder.find(env)

    directory = user_jupyter / "kernels" / "mine"
    directory.mkdir(parents=True)
    assert "mine" not in await finder.find(env)
    write_kernelspec(user_jupyter, "mine", display_name="one")
    assert (await finder.find(env))["mine"].display_name == "one"

    seen = (directory / "kernel.json").stat()
    write_kernelspec(user_jupyter, "mine", display_name="two")
    os.utime(directory / "kernel.json", ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    assert (await finder.find(env))["mine"].display_name == "two"

    replacement = directory / "new.json"
    replacement.write_text(json.dumps({"argv": ["x"], "display_name": "six", "language": "python"}))
    replacement.replace(directory / "kernel.json")
    assert (await finder.find(env))["mine"].display_name == "six"

    (directory / "kernel.json").unlink()
    assert "mine" not in await finder.find(env)
    before = lookings.count
    await finder.find(env)
    assert lookings.count == before


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[asyncio.subprocess.Process]:
    """Every child process that is started."""
    children: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
    start = asyncio.create_subprocess_exec

    async def observed(*args: Any, **kwargs: Any) -> asyncio.subprocess.Process:
        child = await start(*args, **kwargs)
        children.put_nowait(child)
        return child

    monkeypatch.setattr(asyncio, "create_subprocess_exec", observed)
    return children


async def test_a_finder_that_is_killed_can_be_asked_again(
    finder: SpecFinder, env: dict[str, str], children: asyncio.Queue[asyncio.subprocess.Process]
) -> None:
    async with asyncio.TaskGroup() as tasks:
        look = tasks.create_task(_failure(finder, env))
        (await children.get()).kill()
    assert isinstance(look.result(), FinderUnavailable)
    assert look.result().retryable
    assert "python3" in await finder.find(env)


async def _failure(finder: SpecFinder, env: dict[str, str]) -> Any:
    try:
        return await finder.find(env)
    except FinderUnavailable as error:
        return error


async def test_a_finder_that_is_cancelled_leaves_no_child(
    finder: SpecFinder, env: dict[str, str], children: asyncio.Queue[asyncio.subprocess.Process]
) -> None:
    async with asyncio.TaskGroup() as tasks:
        look = tasks.create_task(finder.find(env))
        child = await children.get()
        assert child.returncode is None
        look.cancel()
    assert child.returncode is not None


@pytest.mark.parametrize(
    ("argv", "needs_tcp"),
    [
        (["/home/u/.deno/bin/deno", "jupyter", "--kernel", "--conn", "{connection_file}"], True),
        (["tslab", "kernel", "--config-path={connection_file}"], True),
        (["python3", "-m", "ilua.app", "-c", "{connection_file}"], True),
        (["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], False),
        (["R", "--slave", "-e", "IRkernel::main()", "-m"], False),
    ],
)
def test_kernels_that_cannot_speak_ipc_are_known(argv: list[str], needs_tcp: bool) -> None:
    assert begins_with_tcp(argv) is needs_tcp


def test_format_argv_leaves_what_it_does_not_know() -> None:
    template = ["{prefix}/bin/x", "--f={connection_file}", "{ a }", "{unknown}", "100%"]
    assert format_argv(template, prefix="/p", connection_file="/c {prefix}") == [
        "/p/bin/x", "--f=/c {prefix}", "{ a }", "{unknown}", "100%",
    ]  # fmt: skip
