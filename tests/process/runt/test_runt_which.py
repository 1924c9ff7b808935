"""Which runtime, which Python, and whose environment: with real environments and kernels."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.jupyter import make_venv, site_packages, write_kernelspec

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with ipykernel, and with a package that ours lacks."""
    venv = make_venv(tmp_path_factory.mktemp("venv") / "env", ipykernel=True)
    (site_packages(venv) / "only_there.py").write_text("answer = 42\n")
    return venv


def alive(runt: Runt) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(runt("ps", "--json").stdout)["runtimes"]
    return found


# -- which runtime


def test_directories_of_one_project_share_a_runtime(
    daemon: Daemon, runt: Runt, state: State
) -> None:
    (state.project / "pyproject.toml").touch()
    inner = state.project / "a" / "b"
    inner.mkdir(parents=True)
    runt("eval", "x = 1")
    assert runt("eval", "x", cwd=inner).stdout == "1\n"
    (found,) = alive(runt)
    assert found["project"] == str(state.project.resolve())


def test_other_projects_have_others(daemon: Daemon, runt: Runt, state: State) -> None:
    other = state.root / "q"
    other.mkdir()
    runt("eval", "x = 1")
    assert runt("eval", "import os; print(os.getcwd())", cwd=other).stdout == f"{other}\n"
    assert "NameError" in runt("eval", "x", cwd=other).stderr
    assert len(alive(runt)) == 2


def test_one_that_is_named_is_taken_wherever_we_are(
    daemon: Daemon, runt: Runt, state: State
) -> None:
    other = state.root / "q"
    other.mkdir()
    for name in ("one", "two"):
        runt("start", "python3", "--name", name)
        runt("eval", "-r", name, f"x = {name!r}")
    assert runt("eval", "x", env={"RUNT_RUNTIME": "one"}, cwd=other).stdout == "'one'\n"
    named = runt("eval", "-r", "two", "x", env={"RUNT_RUNTIME": "one"}, cwd=other)
    assert named.stdout == "'two'\n"
    assert runt("eval", "-r", "three", "x").returncode == 3
    assert len(alive(runt)) == 2


def test_a_dead_one_is_started_anew_and_that_is_said_once(daemon: Daemon, runt: Runt) -> None:
    runt("eval", "x = 1")
    first = alive(runt)[0]["short_id"]
    runt("kill", first)
    ended = f"{first} ended (the kernel was ended by SIGKILL)"
    anew = runt("eval", "x")
    said = f"runt: started anew: {ended}, its variables are gone\n"
    assert said in anew.stderr
    assert "NameError" in anew.stderr
    assert "anew" not in runt("eval", "x").stderr
    assert len(alive(runt)) == 1


def test_what_had_no_variables_is_not_missed(daemon: Daemon, runt: Runt, state: State) -> None:
    """Nor is what was started by its name: another project's, or one that never answered."""
    runt("eval", "x = 1")
    runt("start", "python3", "--name", "lab")
    runt("eval", "-r", "lab", "x = 1")
    first, lab = (found["short_id"] for found in alive(runt))
    runt("kill", first, lab)
    write_kernelspec(state.home / ".local/share/jupyter", "broken", argv=["false"])
    assert runt("eval", "-k", "broken", "1").returncode == 6
    assert "anew" not in runt("eval", "-k", "broken", "1").stderr
    (other := state.root / "q").mkdir()
    assert "anew" not in runt("eval", "1", cwd=other).stderr
    assert f"anew: {first} ended" in runt("eval", "1").stderr


def test_a_dead_one_is_known_after_a_restart_of_the_daemon(daemon: Daemon, runt: Runt) -> None:
    runt("eval", "x = 1")
    runt("eval", "exit()")
    runt("call", "daemon.stop")
    assert "the kernel exited with status 0), its variables are gone" in runt("eval", "1").stderr


# -- which Python


def test_the_active_environment_is_taken(daemon: Daemon, runt: Runt, environment: Path) -> None:
    active = {"VIRTUAL_ENV": str(environment), "PATH": f"{environment}/bin:/usr/bin:/bin"}
    done = runt("eval", "import only_there; only_there.answer", env=active)
    assert (done.stdout, done.stderr) == ("42\n", "")


def test_the_projects_environment_is_taken(
    daemon: Daemon, runt: Runt, state: State, environment: Path
) -> None:
    (state.project / ".venv").symlink_to(environment)
    inner = state.project / "deep"
    inner.mkdir()
    assert runt("eval", "import only_there; only_there.answer", cwd=inner).stdout == "42\n"


def test_python_names_one(daemon: Daemon, runt: Runt, state: State, environment: Path) -> None:
    ask = "import only_there; only_there.answer"
    assert runt("eval", "--python", str(environment), ask).stdout == "42\n"
    assert runt("eval", "--python", f"{environment}/bin/python", ask).stdout == "42\n"
    shutil.copytree(environment, state.project / "env", symlinks=True)
    assert runt("start", "--python", "./env", "--name", "own").returncode == 0
    assert runt("eval", "-r", "own", ask).stdout == "42\n"
    assert runt("eval", "--python", "/no/such", "1").returncode == 3


def test_another_python_is_a_second_runtime(daemon: Daemon, runt: Runt, environment: Path) -> None:
    runt("eval", "x = 1")
    assert "NameError" in runt("eval", "--python", str(environment), "x").stderr
    assert runt("eval", "x").stdout == "1\n"
    assert len(alive(runt)) == 2


def test_the_users_own_kernelspec_wins_over_ours(daemon: Daemon, runt: Runt, state: State) -> None:
    write_kernelspec(
        state.home / ".local/share/jupyter",
        "python3",
        env={"WHOSE": "the user's"},
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    )
    done = runt("eval", "import os; os.environ.get('WHOSE')")
    assert (done.stdout, done.stderr) == ('"the user\'s"\n', "")


def test_an_environment_without_ipykernel_is_an_error_with_its_remedy(
    daemon: Daemon, runt: Runt, state: State
) -> None:
    bare = make_venv(state.project / ".venv", ipykernel=False)
    done = runt("eval", "1")
    assert (done.returncode, done.stdout) == (6, "")
    assert "ipykernel" in done.stderr
    assert str(bare) in done.stderr
    assert alive(runt) == []


def test_environments_lists_them(
    daemon: Daemon, runt: Runt, state: State, environment: Path
) -> None:
    (state.project / ".venv").symlink_to(environment)
    listed = json.loads(runt("environments", "--json").stdout)["environments"]
    assert [e["path"] for e in listed if e["default"]] != []
    assert {"kind", "name", "language", "path", "unusable"} <= set(listed[0])
    lines = runt("environments").stdout.splitlines()
    assert len(lines) == len(listed) + 1


# -- whose environment


SECRET = "xyzzy-1f7a9c"


def test_the_starting_callers_environment_is_seen_and_is_stored_nowhere(
    daemon: Daemon, runt: Runt, state: State
) -> None:
    given = {"MY_TOKEN": SECRET, "LISTEN_FDS": "3", "JPY_PARENT_PID": "1"}
    ask = "import os, hashlib; hashlib.sha256(os.environ['MY_TOKEN'].encode()).hexdigest()[:8]"
    expected = subprocess.run(
        ["sha256sum"], input=SECRET, capture_output=True, text=True, check=True
    ).stdout[:8]
    assert runt("eval", ask, env=given).stdout == f"'{expected}'\n"
    session = "[n for n in ('LISTEN_FDS', 'JPY_PARENT_PID') if n in os.environ]"
    assert runt("eval", session, env=given).stdout == "[]\n"
    runt("eval", "os.environ['MY_TOKEN'] != ''", env={"MY_TOKEN": "later"})
    daemon.stop(kernels=True)
    files = [path for path in state.root.rglob("*") if path.is_file()]
    assert state.dir / "runtimed.db" in files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_variables_of_the_command_line(daemon: Daemon, runt: Runt) -> None:
    ask = "import os; [os.environ.get(n) for n in ('A', 'B', 'C')]"
    given = {"A": "caller", "B": "caller"}
    runt("start", "python3", "--name", "one", "--env", "A=x=y", "--env", "C=", env=given)
    assert runt("eval", "-r", "one", ask).stdout == "['x=y', 'caller', '']\n"
    runt("start", "python3", "--name", "two", "--clean-env", "--env", "B", env=given)
    assert runt("eval", "-r", "two", ask).stdout == "[None, 'caller', None]\n"
