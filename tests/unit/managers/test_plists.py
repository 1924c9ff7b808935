"""LaunchAgents: as launchd.plist(5) has them, as far as can be told without launchd."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lxml.etree
import pytest
from validate_plist_xml.validate_plist_xml import DTD_PLIST

from runtimed import __version__
from runtimed.managers import files, plists

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.managers.instance import Instance

PROGRAM = "/Users/a & b/<venv>/bin/runtimed"


def rendered(label: str, instance: Instance) -> dict[str, Any]:
    return dict(plistlib.loads(plists.render(label, PROGRAM, instance).encode()))


@pytest.mark.parametrize("label", plists.LABELS)
@pytest.mark.parametrize("which", ["own", "second"])
def test_they_are_valid(label: str, which: str, request: pytest.FixtureRequest) -> None:
    instance = request.getfixturevalue(which)
    text = plists.render(label, PROGRAM, instance)
    assert DTD_PLIST.validate(lxml.etree.fromstring(text.encode())), DTD_PLIST.error_log
    assert list(plists.faults(plistlib.loads(text.encode()))) == []
    assert files.version_of(text) == __version__
    assert plists.program_of(text) == PROGRAM
    assert plists.is_of(text, instance)
    assert not plists.is_of(text, instance._replace(state_dir="/other"))


@pytest.mark.parametrize("label", plists.LABELS)
def test_the_file_is_named_after_its_label(label: str, own: Instance) -> None:
    plist = rendered(label, own)
    assert plist["Label"] == label
    words = {plists.DAEMON: [], plists.KEEPER: ["keeper"]}
    assert plist["ProgramArguments"] == [PROGRAM, *words[label], "--take-over", "--launchd"]
    assert plist["KeepAlive"] == {"SuccessfulExit": False}
    assert plist["AbandonProcessGroup"] is True
    assert plist["SoftResourceLimits"]["NumberOfFiles"] > 256
    logs = os.path.expanduser("~/Library/Logs/runtimed/")
    assert plist["StandardErrorPath"].startswith(logs)


def test_the_daemon_gets_its_socket_and_a_watchdog(own: Instance) -> None:
    plist = rendered(plists.DAEMON, own)
    assert plist["Sockets"]["daemon"]["SockPathName"] == own.socket
    assert plist["Sockets"]["daemon"]["SockPathMode"] == 0o600
    environment = plist["EnvironmentVariables"]
    assert float(environment["RUNTIMED_WATCHDOG_S"]) > 0
    assert environment["HOME"] == os.path.expanduser("~")
    assert environment["PATH"].split(":")[0] == os.path.dirname(PROGRAM)
    assert own.variables().items() <= environment.items()


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda plist: plist.update({key: value})


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_set("Watchdog", 1), "Watchdog is no key"),
        (_set("RunAtLoad", 1), "RunAtLoad is not a bool"),
        (_set("ThrottleInterval", True), "ThrottleInterval is not a int"),
        (_set("ProgramArguments", ["runtimed"]), "ProgramArguments is not an absolute path"),
        (_set("StandardOutPath", "~/x"), "StandardOutPath is expanded by nobody"),
        (_set("StandardErrorPath", "/$HOME/x"), "StandardErrorPath is expanded by nobody"),
        (_set("ProcessType", "Background"), "throttles the kernels"),
        (_set("KeepAlive", {"NetworkState": True}), "more conditions"),
        (lambda p: p["Sockets"]["daemon"].update(SockPathMode=600), "is not 384"),
        (lambda p: p["Sockets"]["daemon"].update(SockPathName="s"), "SockPathName is not an abs"),
        (lambda p: p["Sockets"]["daemon"].update(SockNode="x"), "SockNode is no key"),
        (lambda p: p["EnvironmentVariables"].update(A="@SOCKET@"), "EnvironmentVariables.A is"),
    ],
)
def test_each_fault_is_found(
    own: Instance, spoil: Callable[[dict[str, Any]], None], fault: str
) -> None:
    plist = rendered(plists.DAEMON, own)
    spoil(plist)
    assert any(fault in found for found in plists.faults(plist)), list(plists.faults(plist))


def test_the_templates_are_valid_themselves() -> None:
    directory = Path(__file__).parents[3] / "packaging" / "launchd"
    templates = {path.stem: path for path in directory.glob("*.plist")}
    assert sorted(templates) == sorted(plists.LABELS)
    for path in templates.values():
        assert DTD_PLIST.validate(lxml.etree.parse(path)), DTD_PLIST.error_log
