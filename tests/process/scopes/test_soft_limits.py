"""Limits without control groups: what each process has by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon

_LIMIT = "import resource; print(resource.getrlimit(resource.RLIMIT_AS)[0])"


@pytest.mark.parametrize("option", ["--memory=2G", "--cpus=1.5", "--tasks=200"])
def test_without_a_user_manager_a_limit_is_an_error_that_says_what_to_do(
    daemon: Daemon, runt: Runt, option: str
) -> None:
    done = runt("start", option)
    assert done.returncode == 6
    name = option.partition("=")[0]
    assert f"{name} takes a control group" in done.stderr
    assert ("--soft-limits" in done.stderr) == (name != "--cpus")
    assert daemon.call("runtime.list") == []


def test_soft_limits_hold_for_what_the_kernel_starts_and_after_a_restart(
    daemon: Daemon, runt: Runt
) -> None:
    started = runt("start", "--json", "--memory", "3G", "--soft-limits")
    assert started.returncode == 0, started.stderr
    runtime = json.loads(started.stdout)["runtime"]
    limits = {"memory_bytes": 3 * 2**30, "cpus": None, "tasks": None, "soft": True}
    assert runtime["limits"].items() >= limits.items()
    id = runtime["id"]
    for _ in range(2):
        assert runt("eval", "-r", id, _LIMIT).stdout.strip() == str(3 * 2**30)
        run = f"subprocess.check_output([sys.executable, '-c', {_LIMIT!r}], text=True)"
        child = f"import subprocess, sys; print({run})"
        assert runt("eval", "-r", id, child).stdout.strip() == str(3 * 2**30)
        too_much = runt("eval", "-r", id, "bytearray(4 << 30)")
        assert too_much.returncode == 1
        assert "MemoryError" in too_much.stderr
        assert runt("restart", id).returncode == 0
    pid = daemon.call("runtime.get", runtime=id)["pid"]
    assert psutil.Process(pid).rlimit(psutil.RLIMIT_AS) == (3 * 2**30, 3 * 2**30)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--cpus", "1", "--soft-limits"), "has no soft limit"),
        (("--soft-limits",), "neither is given"),
        (("--memory", "lots"), "not a size"),
        (("--memory", "0"), "not from 1 byte"),
        (("--cpus", "nan"), "no number"),
        (("--tasks", "0"), ""),
    ],
)
def test_what_cannot_be_meant_is_refused(runt: Runt, options: tuple[str, ...], why: str) -> None:
    done = runt("start", *options)
    assert done.returncode == 2
    assert why in done.stderr


def test_the_number_of_tasks_has_no_soft_limit_for_root(daemon: Daemon, runt: Runt) -> None:
    done = runt("start", "--tasks", "100", "--soft-limits")
    assert done.returncode == 6
    assert "does not hold for root" in done.stderr
