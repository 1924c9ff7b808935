from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from runtimed.api.errors import (
    EnvironmentNotFound,
    EnvironmentUnusable,
    KernelDidNotStart,
    KernelNotFound,
    KernelProgramMissing,
)
from runtimed.kernels.environments import Wish, choose
from tests.harness.jupyter import make_venv, write_kernelspec, write_program

if TYPE_CHECKING:
    from pathlib import Path

    from runtimed.kernels.specs import SpecFinder

IPYKERNEL = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


def make_conda(directory: Path) -> Path:
    """What conda leaves behind, as far as we look at it."""
    (directory / "conda-meta").mkdir(parents=True)
    write_program(directory / "bin" / "python")
    return directory


async def test_the_order_of_which_python(
    finder: SpecFinder,
    env: dict[str, str],
    user_jupyter: Path,
    project: Path,
    good_venv: Path,
    home: Path,
) -> None:
    wish = Wish(env=env, project=str(project))
    own = await choose(wish, finder)
    assert own.argv[0] == sys.executable
    (notice,) = own.notices
    assert "using runtimed's own Python" in notice

    users = write_program(home / "bin" / "python")
    write_kernelspec(user_jupyter, "python3")
    of_user = await choose(wish, finder)
    assert of_user.argv == [str(users), *IPYKERNEL]
    assert of_user.notices == []

    venv = make_venv(project / ".venv", ipykernel=False)
    of_project = await choose(wish, finder)
    assert of_project.argv == [str(venv / "bin" / "python"), *IPYKERNEL]
    assert of_project.environment == str(venv)
    assert of_project.notices == []

    active = env | {"VIRTUAL_ENV": str(good_venv)}
    of_active = await choose(Wish(env=active, project=str(project)), finder)
    assert of_active.argv == [str(good_venv / "bin" / "python"), *IPYKERNEL]

    named = await choose(Wish(env=active, project=str(project), kernel="Python3"), finder)
    assert named.argv == of_user.argv
    asked = await choose(Wish(env=active, project=str(project), python=".venv"), finder)
    assert asked.argv == of_project.argv


@pytest.mark.parametrize(
    "words", [{"kernel": "{venv}"}, {"python": "{venv}"}, {"python": "{venv}/bin/python3"}]
)
async def test_an_environment_by_its_path(
    finder: SpecFinder, env: dict[str, str], good_venv: Path, words: dict[str, str]
) -> None:
    wish = {word: path.format(venv=good_venv) for word, path in words.items()}
    choice = await choose(msgspec.structs.replace(Wish(env=env), **wish), finder)
    assert choice.environment == str(good_venv)
    assert choice.kernel_name == "python3"
    assert choice.language == "python"
    other = await choose(Wish(env=env | {"VIRTUAL_ENV": str(good_venv)}), finder)
    assert choice.key == other.key


async def test_paths_are_relative_to_where_the_caller_stands(
    finder: SpecFinder, env: dict[str, str], good_venv: Path, home: Path
) -> None:
    (home / "mine").symlink_to(good_venv)
    by_cwd = Wish(env=env, kernel="./.venv", cwd=str(good_venv.parent))
    by_name = Wish(env=env, kernel=".venv", cwd=str(good_venv.parent))
    by_home = Wish(env=env, python="~/mine")
    keys = {(await choose(wish, finder)).key for wish in (by_cwd, by_name, by_home)}
    assert keys == {f"python:{os.path.realpath(good_venv)}"}


async def test_an_interpreter_by_its_name_on_the_callers_path(
    finder: SpecFinder, env: dict[str, str], home: Path
) -> None:
    program = write_program(home / "bin" / "python3.13")
    choice = await choose(Wish(env=env, python="python3.13"), finder)
    assert choice.argv == [str(program), *IPYKERNEL]
    assert choice.environment is None
    assert choice.key == f"python:{os.path.realpath(program)}"


async def test_a_program_in_the_directory_is_not_a_kernel(
    finder: SpecFinder, env: dict[str, str], project: Path
) -> None:
    write_program(project / "make")
    with pytest.raises(KernelNotFound):
        await choose(Wish(env=env, kernel="make", cwd=str(project)), finder)


async def test_starting_an_environment_activates_it(
    finder: SpecFinder, env: dict[str, str], good_venv: Path
) -> None:
    inactive = await choose(Wish(env=env, python=str(good_venv)), finder)
    programs = str(good_venv / "bin")
    assert inactive.env == {
        "VIRTUAL_ENV": str(good_venv),
        "PATH": programs + os.pathsep + env["PATH"],
    }
    env |= inactive.env
    active = await choose(Wish(env=env), finder)
    assert active.env == {}
    assert active.key == inactive.key


async def test_what_is_started_is_what_installers_find(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path, good_venv: Path
) -> None:
    """Another environment is active, and its programs are first on PATH."""
    conda = make_conda(tmp_path / "conda")
    places = [str(good_venv / "bin"), str(conda / "bin"), env["PATH"]]
    env |= {"VIRTUAL_ENV": str(good_venv), "PATH": os.pathsep.join(places)}
    choice = await choose(Wish(env=env, python=str(conda)), finder)
    assert choice.env == {
        "VIRTUAL_ENV": "",
        "CONDA_PREFIX": str(conda),
        "PATH": os.pathsep.join([places[1], places[0], places[2]]),
    }


async def test_a_venv_that_is_active_and_gone_is_an_error(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(EnvironmentUnusable, match="VIRTUAL_ENV names it") as caught:
        await choose(Wish(env=env | {"VIRTUAL_ENV": str(gone)}), finder)
    assert caught.value.data["kernel"] == str(gone)


async def test_a_project_venv_whose_python_is_gone_is_an_error(
    finder: SpecFinder, env: dict[str, str], project: Path
) -> None:
    venv = project / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    (venv / "bin" / "python").symlink_to("/nonexistent/python3.9")
    with pytest.raises(EnvironmentUnusable, match="it is the project's"):
        await choose(Wish(env=env, project=str(project)), finder)


async def test_a_dot_venv_that_is_no_environment_is_passed_over(
    finder: SpecFinder, env: dict[str, str], project: Path
) -> None:
    (project / ".venv").write_text("my-shared-environment\n")
    choice = await choose(Wish(env=env, project=str(project)), finder)
    assert choice.argv[0] == sys.executable


async def test_conda_counts_but_not_its_base(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path
) -> None:
    conda = make_conda(tmp_path / "miniconda")
    env |= {"CONDA_PREFIX": str(conda), "CONDA_DEFAULT_ENV": "science"}
    choice = await choose(Wish(env=env), finder)
    assert choice.argv[0] == str(conda / "bin" / "python")
    assert choice.environment == str(conda)
    assert choice.env["PATH"].startswith(f"{conda}/bin:")

    base = env | {"CONDA_DEFAULT_ENV": "base"}
    assert (await choose(Wish(env=base), finder)).argv[0] == sys.executable
    write_kernelspec(conda / "share" / "jupyter", "python3")
    assert (await choose(Wish(env=base), finder)).argv[0] == str(conda / "bin" / "python")


@pytest.mark.parametrize("first", ["venv", "conda"])
async def test_of_two_active_environments_the_one_first_on_path(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path, good_venv: Path, first: str
) -> None:
    conda = make_conda(tmp_path / "conda")
    places = {"venv": str(good_venv / "bin"), "conda": str(conda / "bin")}
    path = sorted(places.values(), key=lambda place: place != places[first])
    env |= {
        "VIRTUAL_ENV": str(good_venv),
        "CONDA_PREFIX": str(conda),
        "CONDA_DEFAULT_ENV": "science",
        "PATH": os.pathsep.join(path),
    }
    choice = await choose(Wish(env=env), finder)
    assert choice.argv[0] == f"{places[first]}/python"


async def test_a_conda_environment_by_its_name(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path, home: Path
) -> None:
    conda = make_conda(tmp_path / "envs" / "science")
    (home / ".conda").mkdir()
    (home / ".conda" / "environments.txt").write_text(f"{conda}\n{tmp_path}/gone\n\n")
    choice = await choose(Wish(env=env, kernel="science"), finder)
    assert choice.environment == str(conda)
    with pytest.raises(KernelNotFound):
        await choose(Wish(env=env, kernel="gone"), finder)


async def test_what_is_not_there(finder: SpecFinder, env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(KernelNotFound, match="No kernelspec is called nope"):
        await choose(Wish(env=env, kernel="nope"), finder)
    with pytest.raises(EnvironmentNotFound, match=r"at \./nope"):
        await choose(Wish(env=env, kernel="./nope", cwd=str(tmp_path)), finder)
    with pytest.raises(EnvironmentNotFound, match="at nope"):
        await choose(Wish(env=env, python="nope"), finder)


async def test_a_kernelspecs_program_is_looked_up_where_the_caller_would(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, home: Path, tmp_path: Path
) -> None:
    write_kernelspec(user_jupyter, "deno", argv=["deno", "jupyter", "--conn", "{connection_file}"])
    with pytest.raises(KernelProgramMissing, match="there is no deno on PATH"):
        await choose(Wish(env=env, kernel="deno"), finder)
    program = write_program(home / "bin" / "deno")
    choice = await choose(Wish(env=env, kernel="deno"), finder)
    assert choice.argv == [str(program), "jupyter", "--conn", "{connection_file}"]
    assert choice.begins_with_tcp

    other = write_program(tmp_path / "other" / "deno")
    write_kernelspec(
        user_jupyter,
        "deno",
        argv=["deno", "{connection_file}"],
        env={"PATH": f"{tmp_path}/other:${{PATH}}", "KEPT": "${UNKNOWN}"},
    )
    choice = await choose(Wish(env=env, kernel="deno"), finder)
    assert choice.argv[0] == str(other)
    assert choice.env == {"PATH": f"{tmp_path}/other:{env['PATH']}", "KEPT": "${UNKNOWN}"}


async def test_a_bare_python_is_the_callers_and_never_ours(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, home: Path
) -> None:
    for name in ("python", "python3", "python3.11"):
        write_kernelspec(user_jupyter, "mine", argv=[name, "-m", "x", "{connection_file}"])
        with pytest.raises(KernelProgramMissing, match=f"there is no {name} on PATH"):
            await choose(Wish(env=env, kernel="mine"), finder)
        program = write_program(home / "bin" / name)
        choice = await choose(Wish(env=env, kernel="mine"), finder)
        assert choice.argv[0] == str(program)


async def test_a_kernelspec_in_an_environment_means_that_environments_python(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path, home: Path
) -> None:
    write_program(home / "bin" / "python")
    venv = make_venv(tmp_path / "venv", ipykernel=False)
    write_kernelspec(venv / "share" / "jupyter", "bash", argv=["python", "-m", "bash_kernel"])
    env |= {"VIRTUAL_ENV": str(venv)}
    choice = await choose(Wish(env=env, kernel="bash"), finder)
    assert choice.argv[0] == str(venv / "bin" / "python")


async def test_templates_are_filled_but_for_the_connection_file(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, tmp_path: Path
) -> None:
    argv = ["{resource_dir}/run", "--prefix={prefix}", "{connection_file}"]
    directory = write_kernelspec(user_jupyter, "mine", argv=argv)
    write_program(directory / "run")
    venv = str(tmp_path / "venv")
    choice = await choose(Wish(env=env | {"VIRTUAL_ENV": venv}, kernel="mine"), finder)
    assert choice.argv == [f"{directory}/run", f"--prefix={venv}", "{connection_file}"]


async def test_a_missing_absolute_program(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path
) -> None:
    write_kernelspec(user_jupyter, "mine", argv=["/nonexistent/kernel", "{connection_file}"])
    with pytest.raises(KernelProgramMissing, match="there is no program /nonexistent/kernel"):
        await choose(Wish(env=env, kernel="mine"), finder)


async def test_kernelspecs_that_cannot_be_started_here(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path
) -> None:
    broken = write_kernelspec(user_jupyter, "broken")
    (broken / "kernel.json").write_text("{")
    metadata = {"kernel_provisioner": {"provisioner_name": "k8s"}}
    write_kernelspec(user_jupyter, "far", metadata=metadata)
    with pytest.raises(KernelDidNotStart, match="is not a kernelspec"):
        await choose(Wish(env=env, kernel="broken"), finder)
    with pytest.raises(KernelDidNotStart, match="provisioner k8s"):
        await choose(Wish(env=env, kernel="far"), finder)


async def test_the_same_python_has_one_key(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, good_venv: Path, bare_venv: Path
) -> None:
    argv = [str(good_venv / "bin" / "python3"), *IPYKERNEL]
    write_kernelspec(user_jupyter, "python3", argv=argv)
    by_spec = await choose(Wish(env=env), finder)
    by_path = await choose(Wish(env=env, python=str(good_venv)), finder)
    assert by_spec.key == by_path.key
    assert by_spec.environment == str(good_venv)

    other = await choose(Wish(env=env, python=str(bare_venv)), finder)
    assert other.key != by_path.key
    write_kernelspec(user_jupyter, "python3", argv=argv, env={"MODE": "special"})
    assert (await choose(Wish(env=env), finder)).key != by_path.key


async def test_kernelspec_facts_reach_the_choice(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, home: Path
) -> None:
    write_program(home / "bin" / "k")
    directory = write_kernelspec(
        user_jupyter,
        "mine",
        argv=["k", "{connection_file}"],
        language="klingon",
        interrupt_mode="message",
        metadata={"supported_encryption": ["curve"]},
    )
    choice = await choose(Wish(env=env, kernel="mine"), finder)
    assert (choice.kernel_name, choice.language) == ("mine", "klingon")
    assert choice.interrupt_mode == "message"
    assert choice.supports_curve
    assert choice.resource_dir == str(directory)
    assert choice.spec_mtime_ns == (directory / "kernel.json").stat().st_mtime_ns
    assert choice.environment is None


async def test_curve_is_believed_where_the_environments_ipykernel_declares_it(
    finder: SpecFinder, env: dict[str, str], tmp_path: Path
) -> None:
    venv = make_venv(tmp_path / "venv", ipykernel=False)
    assert not (await choose(Wish(env=env, python=str(venv)), finder)).supports_curve
    metadata = {"supported_encryption": ["curve"]}
    write_kernelspec(venv / "share" / "jupyter", "python3", metadata=metadata)
    assert (await choose(Wish(env=env, python=str(venv)), finder)).supports_curve


async def test_python3_that_only_we_have_is_the_python_at_hand(
    finder: SpecFinder, env: dict[str, str], good_venv: Path
) -> None:
    env |= {"VIRTUAL_ENV": str(good_venv)}
    choice = await choose(Wish(env=env, kernel="python3"), finder)
    assert choice.environment == str(good_venv)
    assert choice.notices == []


async def test_environment_values_are_in_no_repr(
    finder: SpecFinder, env: dict[str, str], good_venv: Path
) -> None:
    env |= {"PATH": "/s3cret"}
    wish = Wish(env=env, python=str(good_venv))
    choice = await choose(wish, finder)
    assert "/s3cret" in choice.env["PATH"]
    assert "s3cret" not in repr(wish) + repr(choice) + f"{[wish, choice]}"


async def test_the_chosen_environment_really_runs_ipykernel(
    finder: SpecFinder, env: dict[str, str], good_venv: Path
) -> None:
    choice = await choose(Wish(env=env, python=str(good_venv)), finder)
    command = [choice.argv[0], "-c", "import ipykernel, sys; print(sys.prefix)"]
    run = subprocess.run(command, env=env | choice.env, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(good_venv)
