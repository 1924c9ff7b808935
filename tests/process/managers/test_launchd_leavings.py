"""launchd's jobs whose files are gone, and whose settings are others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.managers import plists
from tests.harness import daemon as harness
from tests.process.managers.test_launchd import Mac, mac

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["mac"]  # a fixture


def jobs(mac: Mac) -> list[Path]:
    return [path for path in mac.directory.glob("*.json") if path.exists()]


def test_jobs_whose_plists_were_removed_go(mac: Mac) -> None:
    mac.service("install")
    for label in plists.LABELS:
        mac.plist(label).unlink()
    other = {"RUNTIMED_STATE_DIR": str(mac.state.root / "o")}
    harness.runt(mac.state, "service", "uninstall", "--yes", env=other)
    assert len(jobs(mac)) == 2
    said = mac.service("uninstall", "--yes").stdout
    for label in plists.LABELS:
        assert f"unloaded {label}, whose file was gone" in said
    assert jobs(mac) == []
    assert mac.status()["running"] is False


def test_a_home_that_is_a_link_is_the_same_home(mac: Mac) -> None:
    mac.service("install")
    link = mac.state.root / "link"
    link.symlink_to(mac.state.home)
    done = harness.runt(mac.state, "service", "install", env={"HOME": str(link)})
    assert "which is not ours" not in done.stderr


def test_another_settings_file_is_no_other_service(mac: Mac) -> None:
    mac.service("install")
    (other := mac.state.root / "o.toml").touch()
    env = {"RUNTIMED_CONFIG": str(other)}
    before = [mac.plist(label).read_text() for label in plists.LABELS]
    for verb in ("start", "restart"):
        done = harness.runt(mac.state, "service", verb, env=env)
        assert (done.returncode, f"and not of {other}" in done.stdout) == (0, True), done
    assert [mac.plist(label).read_text() for label in plists.LABELS] == before
    done = harness.runt(mac.state, "service", "install", env=env)
    assert (done.returncode, "no longer those of" in done.stdout) == (0, True), done
    assert str(other) in mac.plist(plists.DAEMON).read_text()
