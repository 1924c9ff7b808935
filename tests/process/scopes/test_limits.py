"""Limits by control groups: in force, or an error that names what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.systemd import USER_IDS, USERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.systemd import Manager

pytestmark = pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)

_CONTROLLERS = {"--memory=512M": "memory", "--cpus=0.5": "cpu", "--tasks=150": "pids"}
_FORK = """
import subprocess
for number in range(300):
    subprocess.Popen(["sleep", "100"])
"""
_PRINT_CPU_MAX = """
path = open("/proc/self/cgroup").read().split("0::")[1].strip()
print(open("/sys/fs/cgroup" + path + "/cpu.max").read())
"""


@pytest.mark.parametrize("option", list(_CONTROLLERS))
def test_a_limit_is_in_force_or_an_error_that_names_its_controller(
    service: Manager, option: str, not_seen_here: Callable[[str], None]
) -> None:
    controller = _CONTROLLERS[option]
    done = service.runt("start", "--json", option, "python3")
    if controller not in controllers_of(service):
        not_seen_here(
            f"{option} at work: the {controller} controller of cgroup v2 is not to be had"
        )
        assert done.returncode == 6
        assert f"{controller} (" in done.stderr
        assert ("--soft-limits" in done.stderr) == (controller != "cpu")
        assert service.runt("ps", "-q").stdout == ""
        assert "runtimed-kernel" not in service.systemctl("list-units", "--all")
        return
    assert done.returncode == 0, done.stderr
    runtime = json.loads(done.stdout)["runtime"]
    id = runtime["id"]
    for _ in range(2):
        if controller == "memory":
            died = service.runt("eval", "-r", id, "x = bytearray(1 << 30)")
            assert "memory" in died.stderr
            shown = json.loads(service.runt("show", "--json", id).stdout)["runtime"]
            assert shown["exit"]["reason"] == "oom"
        elif controller == "cpu":
            quota, period = service.runt("eval", "-r", id, _PRINT_CPU_MAX).stdout.split()
            assert int(quota) / int(period) == pytest.approx(0.5)
        else:
            assert "BlockingIOError" in service.runt("eval", "-r", id, _FORK).stderr
        assert service.runt("restart", id).returncode == 0


def controllers_of(service: Manager) -> list[str]:
    group = service.show("runtimed.service", "ControlGroup")
    path = f"/sys/fs/cgroup{Path(group).parent}/cgroup.controllers"
    return service.run("cat", path).stdout.split()
