"""A kernel that was killed for want of memory, as the service manager tells it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.harness.systemd import ORDINARY
from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from tests.harness.systemd import Manager

#: An older one does not know OOMPolicy= for scopes: what it ends so, fails.
_OLDER = """#!/bin/sh
[ "$1" = --version ] && { echo "systemd 249 (249.11)"; exit; }
exec /usr/bin/systemd-run "$@"
"""
#: What systemd-oomd(8) leaves before it kills a group.
_KILLED_BY_OOMD = """
import os, sys
for name in ("user.oomd_kill", "user.oomd_ooms"):
    os.setxattr(sys.argv[1], name, b"1")
"""


@pytest.mark.parametrize("manager", [ORDINARY], indirect=True)
def test_the_managers_word_that_memory_ran_out_is_on_the_record(service: Manager) -> None:
    programs = service.home / "older"
    service.write(programs / "systemd-run", _OLDER, 0o755)
    path = f"{programs}:{service.env['PATH']}"
    service.drop_in("runtimed.service", f"[Service]\nEnvironment=PATH={path}\n")
    service.systemctl("restart", "runtimed.service")
    started = service.runt("start", "--json", "python3")
    assert started.returncode == 0, started.stderr
    runtime = json.loads(started.stdout)["runtime"]
    scope, pid = runtime["scope"], runtime["pid"]
    assert service.show(scope, "OOMPolicy") == "stop"

    group = "/sys/fs/cgroup" + service.show(scope, "ControlGroup")
    marked = service.run("/usr/bin/python3", "-c", _KILLED_BY_OOMD, group, uid=0)
    assert marked.returncode == 0, marked.stderr
    psutil.Process(pid).kill()

    def ended() -> object:
        shown = service.runt("show", "--json", runtime["id"]).stdout
        return json.loads(shown)["runtime"]["exit"]

    exit_ = until(ended)
    assert exit_["reason"] == "oom", (exit_, service.journal())
    until(lambda: scope not in service.systemctl("list-units", "--all", "--plain"))
