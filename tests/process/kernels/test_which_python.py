"""Which Python a start means, through the real `runt`, daemon and ipykernel."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness.jupyter import make_venv, site_packages, write_kernelspec

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Runt
    from tests.harness.daemon import State

ASK = "import it, sys; print(sys.prefix)"


@pytest.fixture
def venv(state: State) -> Path:
    """An environment with a package that nobody else has."""
    made = make_venv(state.root / "v", ipykernel=True)
    (site_packages(made) / "it.py").touch()
    return made


@pytest.fixture
def project_venv(state: State) -> Path:
    """The same, as the project's .venv."""
    made = make_venv(state.project / ".venv", ipykernel=True)
    (site_packages(made) / "it.py").touch()
    return made


def test_the_active_environment(runt: Runt, venv: Path) -> None:
    done = runt("eval", ASK, env={"VIRTUAL_ENV": str(venv)})
    assert (done.returncode, done.stdout) == (0, f"{venv}\n"), done.stderr
    assert done.stderr == ""


def test_the_projects_environment(runt: Runt, project_venv: Path, state: State) -> None:
    (state.project / "deep").mkdir()
    done = runt("eval", ASK, cwd=state.project / "deep")
    assert (done.returncode, done.stdout) == (0, f"{project_venv}\n"), done.stderr


def test_another_active_environment_is_another_runtime(
    runt: Runt, venv: Path, project_venv: Path
) -> None:
    for environment in ({}, {"VIRTUAL_ENV": str(venv)}, {}):
        assert runt("eval", ASK, env=environment).returncode == 0
    pythons = [row["environment"] for row in json.loads(runt("ps", "--json").stdout)["runtimes"]]
    assert sorted(pythons) == sorted([str(venv), str(project_venv)])


def test_an_environment_without_ipykernel_is_never_passed_over(runt: Runt, state: State) -> None:
    bare = make_venv(state.project / ".venv", ipykernel=False)
    done = runt("eval", "1")
    assert done.returncode == 6
    assert f"{bare} cannot run a kernel: it has no ipykernel" in done.stderr
    assert "ipykernel" in done.stderr.splitlines()[0].rpartition(": ")[2]
    assert "Traceback" not in done.stderr


def test_our_own_python_is_said_once(runt: Runt) -> None:
    first, second = runt("eval", "1"), runt("eval", "2")
    assert (first.stdout, second.stdout) == ("1\n", "2\n")
    assert f"using runtimed's own Python ({sys.version.split()[0]}" in first.stderr
    assert second.stderr == ""


def test_a_python3_of_the_users_wins_over_ours(runt: Runt, state: State, venv: Path) -> None:
    jupyter = state.home / ".local" / "share" / "jupyter"
    python = str(venv / "bin" / "python")
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    write_kernelspec(jupyter, "python3", argv=argv)
    done = runt("eval", ASK)
    assert (done.returncode, done.stdout) == (0, f"{venv}\n"), done.stderr
    assert runt("start", "python3").stdout.startswith("started ")


def test_a_restart_keeps_the_python(runt: Runt, venv: Path) -> None:
    assert runt("start", "--name", "r", env={"VIRTUAL_ENV": str(venv)}).returncode == 0
    done = runt("restart", "r")
    assert done.returncode == 0, done.stderr
    done = runt("eval", "--runtime", "r", ASK)
    assert (done.returncode, done.stdout) == (0, f"{venv}\n"), done.stderr


@pytest.mark.parametrize(
    ("spec", "status", "sentence"),
    [
        ({"argv": ["no-such-program", "{connection_file}"]}, 6, "no-such-program on PATH"),
        ({"argv": []}, 6, "has no argv"),
        ({"metadata": {"kernel_provisioner": {"provisioner_name": "k8s"}}}, 6, "k8s"),
        ({"argv": ["/bin/sh", "-c", "echo last words >&2; exit 3"]}, 6, "last words"),
        (None, 3, "No kernelspec is called mine"),
    ],
)
def test_kernelspecs_that_do_not_start(
    runt: Runt, state: State, spec: dict[str, object] | None, status: int, sentence: str
) -> None:
    if spec is not None:
        write_kernelspec(state.home / ".local" / "share" / "jupyter", "mine", **spec)
    done = runt("start", "mine")
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
