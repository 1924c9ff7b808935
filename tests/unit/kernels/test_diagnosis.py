from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from runtimed.kernels.diagnosis import Packages, explain_failure, missing_ipykernel
from runtimed.kernels.environments import Choice, Wish, choose
from tests.harness.jupyter import make_venv, site_packages, write_kernelspec, write_program

if TYPE_CHECKING:
    from pathlib import Path

    from runtimed.kernels.specs import SpecFinder


async def choice_of(venv: Path, env: dict[str, str], finder: SpecFinder) -> Choice:
    return await choose(Wish(env=env, python=str(venv)), finder)


async def test_an_environment_without_ipykernel(
    finder: SpecFinder, env: dict[str, str], bare_venv: Path, home: Path
) -> None:
    choice = await choice_of(bare_venv, env, finder)
    real = subprocess.run(choice.argv, capture_output=True, text=True, check=False, env=env)
    assert real.returncode != 0

    error = await explain_failure(choice, real.stderr, env)
    assert error is not None
    python = bare_venv / "bin" / "python"
    assert error.data["kernel"] == str(bare_venv)
    assert f"{python} -m ensurepip && {python} -m pip install ipykernel" in error.message()

    write_program(home / "bin" / "uv")
    error = await explain_failure(choice, real.stderr, env)
    assert error is not None
    assert f"uv pip install --python {python} ipykernel" in error.message()


async def test_an_environment_with_pip(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path, home: Path
) -> None:
    venv = make_venv(tmp_path / "with space", ipykernel=False)
    (site_packages(venv) / "pip.py").touch()
    write_program(home / "bin" / "uv")
    error = await explain_failure(await choice_of(venv, env, finder), "", env)
    assert error is not None
    assert f"'{venv}/bin/python' -m pip install ipykernel" in error.message()
    assert "uv" not in error.message()


async def test_an_environment_with_ipykernel_failed_for_another_reason(
    finder: SpecFinder, env: dict[str, str], good_venv: Path
) -> None:
    choice = await choice_of(good_venv, env, finder)
    assert await explain_failure(choice, "ImportError: libzmq.so.5", env) is None


async def test_a_python_that_does_not_run(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path
) -> None:
    venv = make_venv(tmp_path / "venv", ipykernel=True)
    choice = await choice_of(venv, env, finder)
    (venv / "bin" / "python").unlink()
    shutil.copy("/bin/false", venv / "bin" / "python")
    error = await explain_failure(choice, "its last words", env)
    assert error is not None
    assert "its Python does not run: exit 1\nits last words" in error.message()

    (venv / "bin" / "python").unlink()
    error = await explain_failure(choice, "", env)
    assert error is not None
    assert "its Python does not run: No such file or directory" in error.message()


async def test_other_kernels_are_not_asked(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, home: Path
) -> None:
    write_program(home / "bin" / "k")
    write_kernelspec(user_jupyter, "mine", argv=["k", "{connection_file}"])
    choice = await choose(Wish(env=env, kernel="mine"), finder)
    assert await explain_failure(choice, "No module named ipykernel_launcher", env) is None


@pytest.mark.parametrize("has_pip", [True, False])
def test_a_python_of_the_systems_is_left_alone(has_pip: bool) -> None:
    packages = Packages(ipykernel=False, pip=has_pip, ensurepip=True, managed=True)
    sentence = missing_ipykernel("/usr/bin/python3", packages, {})
    assert "/usr/bin/python3 -m venv .venv && .venv/bin/python -m pip install ipykernel" in sentence
