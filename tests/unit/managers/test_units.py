"""Unit files: what is filled in, and whose they are."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from runtimed import __version__
from runtimed.managers import files, units
from runtimed.managers.failures import ServiceFailure
from runtimed.managers.instance import of_service

if TYPE_CHECKING:
    from pathlib import Path

    from runtimed.managers.instance import Instance

AWKWARD = "/opt/a b/50%c;é/runtimed"


def test_the_users_own_needs_no_variables(own: Instance) -> None:
    assert own.suffix == ""
    assert own.unusual() == {}
    text = units.render(units.DAEMON, "/usr/bin/runtimed", own)
    assert text.startswith(f"# Written by runtimed-daemon {__version__};")
    assert "\nExecStart=/usr/bin/runtimed --take-over\n" in text
    assert "RUNTIMED_STATE_DIR" not in text
    assert "@RUNTIMED@" not in text


def test_a_second_one_has_names_and_places_of_its_own(own: Instance, second: Instance) -> None:
    assert len(second.suffix) == len("-01234567")
    assert second.suffix != second._replace(state_dir="/other").suffix
    text = units.render(units.DAEMON, "/usr/bin/runtimed", second)
    assert units.is_of(text, second)
    assert not units.is_of(text, own)
    assert units.is_of(text, second._replace(config=None))
    assert not units.is_of(text, second._replace(socket="/other"))
    assert units.is_of(units.render(units.DAEMON, "/usr/bin/runtimed", own), own)


@pytest.mark.parametrize("unit", units.UNITS)
@pytest.mark.parametrize("which", ["own", "second"])
def test_systemd_takes_them_as_they_are_meant(
    unit: str, which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Also with a program and places that no shell would like."""
    instance = request.getfixturevalue(which)
    program = tmp_path / AWKWARD.lstrip("/")
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in units.UNITS:
        (tmp_path / name).write_text(units.render(name, str(program), instance))
    assert shutil.which("systemd-analyze"), "Debian's package systemd is needed"
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(tmp_path / unit)],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    ours = [line for line in done.stderr.splitlines() if "runtimed" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_program_can_be_read_back(own: Instance) -> None:
    for program in ("/usr/bin/runtimed", AWKWARD):
        assert units.program_of(units.render(units.DAEMON, program, own)) == program


@pytest.mark.parametrize("character", ['"', "'", "\\"])
def test_what_systemd_cannot_start_is_refused(own: Instance, character: str) -> None:
    with pytest.raises(ServiceFailure, match="quotes in its path"):
        units.render(units.DAEMON, f"/opt/a{character}b/runtimed", own)


def test_the_socket_is_where_the_instance_has_it(own: Instance, second: Instance) -> None:
    shipped = units.render(units.SOCKET_UNIT, "", own)
    assert "\nListenStream=%t/runtimed/runtimed.sock\n" in shipped
    moved = units.render(units.SOCKET_UNIT, "", second)
    assert f"\nListenStream={second.socket.replace('%', '%%')}\n" in moved
    assert moved.count("ListenStream=") == 1


def test_a_transient_unit_has_the_properties_of_the_shipped_one() -> None:
    properties, arguments = units.transient(units.KEEPER)
    assert arguments == ["keeper", "--take-over"]
    assert {"Type=notify", "KillMode=process", "Slice=runtimed.slice"} <= set(properties)
    # What has ended in order stays away: there is no unit file to stop it by.
    assert "Restart=on-failure" in properties
    daemon, _ = units.transient(units.DAEMON)
    keys = {text.partition("=")[0] for text in daemon}
    assert {"WatchdogSec", "RestartPreventExitStatus", "Environment"} <= keys
    assert not keys & {"ExecStart", "Sockets", "Wants", "WantedBy", "Documentation"}


@pytest.mark.parametrize("which", ["own", "second"])
def test_whose_it_is_can_be_read_back(which: str, request: pytest.FixtureRequest) -> None:
    instance = request.getfixturevalue(which)
    text = units.render(units.DAEMON, "/usr/bin/runtimed", instance)
    assert units.variables_of(text) == instance.unusual()
    assert of_service(units.variables_of(text)) == instance


def test_the_managers_environment_is_read_as_it_quotes_it() -> None:
    shown = "A=1\nB=$'it\\'s\\n\"x\" \\\\ é\\t€'\nC=\nD=a=b\n"
    expected = {"A": "1", "B": 'it\'s\n"x" \\ é\t€', "C": "", "D": "a=b"}
    assert units.environment_of(shown) == expected


def test_the_mark_tells_the_version(own: Instance) -> None:
    text = units.render(units.SLICE, "", own)
    assert files.version_of(text) == __version__
    assert files.version_of(text.partition("\n")[2]) is None
