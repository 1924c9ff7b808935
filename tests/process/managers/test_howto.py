"""What docs/how-to/launchd.md and packaging's README tell a person to type, from top to bottom."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.managers import plists
from tests.harness.shell import BIN
from tests.process.daemon.adoption.waiting import until
from tests.process.managers.test_launchd import DAEMON, Mac, mac

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["mac"]  # a fixture

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "how-to" / "launchd.md"
PACKAGED = ROOT / "packaging" / "launchd" / "README.md"


def commands(page: Path) -> Iterator[str]:
    """Yield the lines of code of a page that are commands for a shell."""
    for line in page.read_text().splitlines():
        if line.strip().startswith(("launchctl ", "runt ")):
            yield line.strip()


def typed(mac: Mac, command: str) -> subprocess.CompletedProcess[str]:
    env = mac.state.env | {"PATH": f"{BIN}:{mac.state.env['PATH']}"}
    env["PATH"] = f"{mac.state.root / 'bin'}:{env['PATH']}"
    return subprocess.run(
        ["bash", "-c", command], env=env, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("page", [PAGE, PACKAGED], ids=["how-to", "packaging"])
def test_every_command_does_what_the_page_says(mac: Mac, page: Path) -> None:
    mac.service("install")
    before = mac.status()["daemon"]
    names = []
    for command in commands(page):
        done = typed(mac, command)
        names.append(" ".join(command.split()[:2]))
        told = f"{command}: {done.returncode}\n{done.stdout}{done.stderr}\n{mac.logs()}"
        if names[-1] == "launchctl bootout":  # it says that it is under way
            until(lambda: typed(mac, f"launchctl print {DAEMON}").returncode)
            assert mac.status()["running"] is False
            continue
        assert done.returncode == 0, told
        if "kickstart -k" in command:
            until(lambda: mac.status()["daemon"] not in (None, before), "another daemon")
    assert {"launchctl print", "launchctl kickstart", "launchctl bootstrap"} < set(names)
    until(lambda: mac.status()["running"], "the daemon")


def test_the_page_names_every_label() -> None:
    page = PAGE.read_text()
    assert not [label for label in plists.LABELS if f"| `{label}` |" not in page]
