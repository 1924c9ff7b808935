"""What docs/how-to/systemd.md tells a person to type, typed from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.systemd import USER_IDS, USERS

if TYPE_CHECKING:
    from tests.harness.systemd import Manager

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "systemd.md"
#: What differs from one machine to the next.
VARYING = re.compile(r"\b[0-9a-hjkmnp-tv-z]{8}\b")
#: Looks for what is wrong, and says by its status that there is something (no linger, say).
MAY_COMPLAIN = {"runt doctor"}
#: What limits need, which not every machine has: then the page promises an error.
CONTROLLERS = {"memory", "cpu", "pids"}
LOGINCTL = """#!/bin/sh
echo "$@" >> {asked}
case $1 in show-user) echo no;; esac
"""


def commands() -> list[tuple[str, str]]:
    """Return each command of the page with what it is shown to print, if that is shown."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            else:
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def controllers_of(manager: Manager) -> set[str]:
    group = manager.show("runtimed.slice", "ControlGroup")
    return set(manager.run("cat", f"/sys/fs/cgroup{group}/cgroup.controllers").stdout.split())


@pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)
def test_every_command_does_what_the_page_says(manager: Manager) -> None:
    asked = manager.home / "asked"
    program = LOGINCTL.format(asked=asked)
    fake = manager.write(manager.home / "fakes" / "loginctl", program, 0o755)  # there is no logind
    manager.env["PATH"] = f"{fake.parent}:{manager.env['PATH']}"
    project = manager.write(manager.home / "demo" / ".git" / "HEAD", "").parents[1]
    for command, shown in commands():
        done = manager.run("bash", "-c", command, cwd=project, env={"SYSTEMD_PAGER": "cat"})
        told = f"{command}: {done.returncode}\n{done.stdout}{done.stderr}\n{manager.journal()}"
        if "--memory" in command and not CONTROLLERS <= controllers_of(manager):
            assert (done.returncode, "controller" in done.stderr) == (6, True), told
            continue
        assert done.returncode == 0 or command in MAY_COMPLAIN, told
        if shown:
            assert VARYING.sub("…", done.stdout) == VARYING.sub("…", shown), told
        if command == "systemctl --user stop runtimed.slice":
            listed = ("list-units", "--plain", "--no-legend", "runtimed*")
            assert manager.systemctl(*listed) == "", told
    assert "enable-linger" in asked.read_text().splitlines()
    assert not list(manager.unit_dir.glob("runtimed*.s*"))
    assert (manager.state_dir / "runtimed.db").exists()


def test_the_page_names_every_unit() -> None:
    page = PAGE.read_text()
    units = PAGE.parents[2] / "packaging" / "systemd"
    names = [path.name for path in units.iterdir() if path.suffix != ".md"]
    assert len(names) == 4
    assert not [name for name in names if f"| `{name}` |" not in page]
