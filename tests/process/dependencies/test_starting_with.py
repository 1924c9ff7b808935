"""Kernels that come with packages: real ones, from the index."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

WHERE = "import six, sys; print(six.__version__, sys.prefix)"
SCRIPT = """\
# /// script
# dependencies = ["six==1.16.0"]
# ///
import six, sys
print(six.__version__, sys.argv)
"""


def documents(runt: Runt, *words: str) -> list[dict[str, Any]]:
    (found,) = (v for k, v in json.loads(runt(*words, "--json").stdout).items() if k != "schema")
    assert isinstance(found, list)
    return found


def cached(runt: Runt) -> dict[str, dict[str, Any]]:
    return {e["path"]: e for e in documents(runt, "environments") if e["kind"] == "cached"}


def test_it_has_them_and_the_next_start_finds_it(runt: Runt, cache: Path) -> None:
    first = runt("start", "--with", "Six==1.16.0", "--name", "one")
    assert (first.returncode, first.stdout[:8]) == (0, "started "), first.stderr
    assert first.stderr.startswith("runt: built an environment with six (")
    second = runt("start", "--with", "six==1.16.0", "--name", "two")
    assert (second.returncode, second.stderr) == (0, "")
    said = {runt("eval", "-r", name, WHERE).stdout for name in ("one", "two")}
    ((version, prefix),) = [line.split() for line in said]
    assert version == "1.16.0"
    assert prefix.startswith(str(cache))
    shown = json.loads(runt("call", "runtime.get", '{"runtime": "one"}').stdout)
    assert (shown["dependencies"], shown["environment"]) == (["six==1.16.0"], prefix)
    (entry,) = cached(runt).values()
    assert (entry["name"], entry["unusable"]) == ("six", None)
    assert entry["dependencies"] == ["ipykernel", "six==1.16.0"]
    assert entry["size_bytes"] > 1_000_000
    assert entry["python_version"].startswith("3.")
    runt("kill", "one", "two")


def test_others_are_another_runtime_of_the_project(runt: Runt) -> None:
    assert runt("eval", "x = 1").returncode == 0
    assert runt("eval", "--with", "six==1.16.0", "x = 2").returncode == 0
    assert runt("eval", "x").stdout == "1\n"
    assert runt("eval", "--with", "six==1.16.0", "x").stdout == "2\n"
    runt("stop", *(r["short_id"] for r in documents(runt, "ps")))


def test_a_script_brings_its_own(runt: Runt, state: State) -> None:
    script = state.project / "s.py"
    script.write_text(SCRIPT)
    done = runt("eval", "-f", "s.py", "--", "word")
    assert (done.returncode, done.stdout) == (0, "1.16.0 ['s.py', 'word']\n"), done.stderr
    script.write_text(SCRIPT.replace("]", ', "--index-url=x"]', 1))
    refused = runt("eval", "-f", "s.py")
    assert refused.returncode == 2
    assert "is an option of an installer" in refused.stderr
    named = runt("start", "-q", "--with", "six==1.16.0").stdout.strip()
    done = runt("eval", "-r", named, "-f", "s.py")
    assert done.returncode == 0, "in a runtime that is named, it is a comment"
    runt("kill", *(r["short_id"] for r in documents(runt, "ps")))


def test_a_throwaway_has_them_too(runt: Runt, state: State, cache: Path) -> None:
    done = runt("eval", "--rm", "--with", "six==1.16.0", WHERE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"1.16.0 {cache}")
    (state.project / "s.py").write_text(SCRIPT)
    done = runt("eval", "--rm", "-f", "s.py")
    assert (done.returncode, done.stdout) == (0, "1.16.0 ['s.py']\n"), done.stderr
    names = [r["name"] for r in documents(runt, "ps", "--all")]
    assert not any(name.startswith("throwaway") for name in names)


def test_a_runtime_that_is_there_gets_no_packages(runt: Runt, daemon: Daemon) -> None:
    named = runt("start", "-q").stdout.strip()
    refused = runt("eval", "-r", named, "--with", "six", "1")
    assert refused.returncode == 2
    with pytest.raises(CallFailed, match=f"and {named} is there: leave out the one") as caught:
        daemon.call("execution.eval", runtime=named, code="1", dependencies=["six"])
    assert caught.value.name == "InvalidParams"
    runt("kill", named)


@pytest.mark.parametrize(
    "hostile", ["--index-url=http://x", "./six", "six @ file:///x", "six; rm -rf /", "$(id)", "-"]
)
def test_what_is_no_package_starts_nothing(
    runt: Runt, cache: Path, calls: Path, hostile: str
) -> None:
    before = (sorted(os.listdir(cache)), calls.read_text())
    refused = runt("start", f"--with={hostile}")
    assert refused.returncode == 2, refused.stderr
    assert "at `$.dependencies`" in refused.stderr
    assert (sorted(os.listdir(cache)), calls.read_text()) == before


def test_another_language_has_other_packages(runt: Runt, state: State) -> None:
    kernels = state.home / ".local/share/jupyter/kernels/klingon"
    kernels.mkdir(parents=True)
    spec = {"argv": ["sh", "{connection_file}"], "display_name": "x", "language": "klingon"}
    (kernels / "kernel.json").write_text(json.dumps(spec))
    refused = runt("start", "klingon", "--with", "six")
    assert refused.returncode == 2
    assert "for Python only; kernel klingon is one of klingon" in refused.stderr


def test_a_restart_has_what_the_start_had(runt: Runt, cache: Path) -> None:
    runt("start", "--with", "six==1.16.0", "--name", "r")
    place = runt("eval", "-r", "r", WHERE).stdout.split()[1]
    runt("kill", "r")
    shutil.rmtree(place)
    done = runt("restart", "r")
    assert done.returncode == 0, done.stderr
    assert runt("eval", "-r", "r", WHERE).stdout.split() == ["1.16.0", place]
    runt("kill", "r")


def test_to_run_it_again_has_what_it_had(runt: Runt) -> None:
    runt("start", "--with", "six==1.16.0", "--name", "again")
    id = runt("eval", "-q", "-r", "again", WHERE).stdout.strip()
    place = runt("eval", "-r", "again", "import sys; print(sys.prefix)").stdout.strip()
    runt("kill", "again")
    shutil.rmtree(place)
    done = runt("rerun", id)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1.16.0", place]
    runt("kill", *(r["short_id"] for r in documents(runt, "ps")))


def test_pruned_is_what_nothing_runs_in(runt: Runt, cache: Path) -> None:
    assert runt("start", "--with", "six==1.16.0", "--name", "last").returncode == 0
    place = runt("eval", "-r", "last", WHERE).stdout.split()[1]
    left = cache / "0123456789abcdef0123"
    (left / "bin").mkdir(parents=True)
    assert place not in runt("environments", "prune", "--older", "0d", "-q").stdout.splitlines()
    assert not left.exists()
    runt("stop", "last")
    assert documents(runt, "environments", "prune") == [], "it was used today"
    (would,) = documents(runt, "environments", "prune", "--older", "0d", "--dry-run")
    assert (would["name"], would["path"]) == ("six", place)
    assert os.path.isdir(place)
    done = runt("environments", "prune", "--older", "0d")
    assert place.rpartition("/")[2] in done.stdout
    assert done.stderr.startswith("runt: 1 removed, ")
    assert os.listdir(cache) == []
    assert cached(runt) == {}
