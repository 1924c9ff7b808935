"""The unit files themselves, as systemd judges them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.harness.systemd import Manager

UNITS = Path(__file__).parents[3] / "packaging/systemd"
NAMES = ["runtimed.service", "runtimed.socket", "runtimed-keeper.service", "runtimed.slice"]
#: What systemd-analyze gives the daemon today; the keeper, which has none of it, has 9.9.
DAEMON_EXPOSURE = 7.9


def test_every_unit_is_there() -> None:
    found = {path.name for path in UNITS.iterdir() if path.suffix != ".md"}
    assert found == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_nothing_wrong_with_a_unit(manager: Manager, name: str) -> None:
    manager.install_units()
    # Without --man=no it asks for our manual pages, which are in the environment of the program.
    done = manager.run("systemd-analyze", "--user", "verify", "--man=no", manager.unit_dir / name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_daemon_can_do_no_more_than_it_must(manager: Manager) -> None:
    manager.install_units()
    threshold = str(round(DAEMON_EXPOSURE * 10))
    command = ["systemd-analyze", "--user", "security", "--offline=true", "--threshold", threshold]
    done = manager.run(*command, manager.unit_dir / "runtimed.service")
    assert done.returncode == 0, done.stdout


def test_kernels_can_do_what_the_user_can(service: Manager) -> None:
    """They inherit from the keeper: nothing may be taken from it."""
    code = "print(open('/proc/self/status').read()); import os; print('umask', oct(os.umask(0)))"
    status = service.runt("eval", code).stdout
    mine = service.run("cat", "/proc/self/status").stdout
    umask = service.run("sh", "-c", "umask").stdout.strip()

    def fields(text: str) -> dict[str, str]:
        names = ("NoNewPrivs:", "Seccomp:", "CapBnd:", "CapAmb:")
        return dict(line.split("\t") for line in text.splitlines() if line.startswith(names))

    assert len(fields(mine)) == 4
    assert fields(status) == fields(mine)
    assert int(status.split("umask 0o")[1], 8) == int(umask, 8)
