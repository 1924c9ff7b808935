from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from runtimed.kernels.listing import list_environments
from tests.harness.jupyter import (
    everybodys_kernels,
    make_venv,
    write_kernelspec,
    write_program,
)

if TYPE_CHECKING:
    from pathlib import Path

    from runtimed.api.environments import Environment
    from runtimed.kernels.specs import SpecFinder


def but_everybodys(listed: list[Environment]) -> list[Environment]:
    return [entry for entry in listed if entry.name not in everybodys_kernels()]


def by_name(listed: list[Environment]) -> dict[tuple[str, str], Environment]:
    return {(entry.kind, entry.name): entry for entry in listed}


def defaults(listed: list[Environment]) -> list[tuple[str, str]]:
    return [(entry.kind, entry.name) for entry in listed if entry.default]


async def test_a_fresh_machine_has_our_own_python(finder: SpecFinder, env: dict[str, str]) -> None:
    (only,) = but_everybodys(await list_environments(env, None, finder))
    assert (only.kind, only.name, only.path) == ("runtimed", "python3", sys.executable)
    assert only.default
    assert only.unusable is None


async def test_everything_with_the_reason_why_it_cannot_be_used(
    finder: SpecFinder,
    env: dict[str, str],
    user_jupyter: Path,
    home: Path,
    tmp_path: Path,
    good_venv: Path,
) -> None:
    write_program(home / "bin" / "R")
    write_kernelspec(user_jupyter, "ir", argv=["R", "{connection_file}"], language="R")
    write_kernelspec(user_jupyter, "deno", argv=["deno", "{connection_file}"])
    (write_kernelspec(user_jupyter, "broken") / "kernel.json").write_text("{")
    project = tmp_path / "project"
    make_venv(project / ".venv", ipykernel=False)
    env |= {"VIRTUAL_ENV": str(good_venv)}

    listed = await list_environments(env, str(project), finder)
    found = by_name(listed)
    assert defaults(listed) == [("venv", good_venv.parent.name)]
    assert found["kernelspec", "ir"].unusable is None
    assert found["kernelspec", "ir"].language == "R"
    assert found["kernelspec", "deno"].unusable == "there is no deno on PATH"
    assert "is not a kernelspec" in (found["kernelspec", "broken"].unusable or "")
    assert found["venv", good_venv.parent.name].unusable is None
    project_venv = found["venv", "project"]
    assert project_venv.path == str(project / ".venv")
    assert "it has no ipykernel" in (project_venv.unusable or "")


async def test_the_default_may_be_unusable(
    finder: SpecFinder, env: dict[str, str], bare_venv: Path
) -> None:
    listed = await list_environments(env | {"VIRTUAL_ENV": str(bare_venv)}, None, finder)
    (default,) = [entry for entry in listed if entry.default]
    assert default.path == str(bare_venv)
    assert default.unusable


async def test_a_users_python3_is_the_default_and_ours_is_not_listed(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, home: Path
) -> None:
    write_program(home / "bin" / "python")
    write_kernelspec(user_jupyter, "python3")
    listed = await list_environments(env, None, finder)
    assert defaults(listed) == [("kernelspec", "python3")]
    assert len(but_everybodys(listed)) == 1


async def test_the_active_environment_is_listed_once(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path
) -> None:
    venv = make_venv(tmp_path / "project" / ".venv", ipykernel=True)
    link = tmp_path / "link"
    link.symlink_to(venv)
    env |= {"VIRTUAL_ENV": str(link)}
    listed = await list_environments(env, str(tmp_path / "project"), finder)
    assert [entry.path for entry in listed if entry.kind == "venv"] == [str(link)]
