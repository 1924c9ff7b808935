"""Ending a kernel ends all that is in its scope, and nothing else; no scope stays behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.harness.systemd import ORDINARY
from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.systemd import Manager

pytestmark = pytest.mark.parametrize("manager", [ORDINARY], indirect=True)

#: It has left session, parent and environment: nothing but its control group tells whose it is.
_ESCAPED = """
import subprocess
subprocess.run(["env", "-i", "setsid", "--fork", "sleep", "{seconds}"])
"""


def scopes(service: Manager) -> str:
    listed = ("list-units", "--all", "--plain", "--no-legend", "runtimed-kernel-*.scope")
    return service.systemctl(*listed)


def escaped_from(service: Manager, runtime: dict[str, str], seconds: int) -> psutil.Process:
    done = service.runt("eval", "-r", runtime["id"], _ESCAPED.format(seconds=seconds))
    assert done.returncode == 0, done.stderr
    others = set(service.cgroup_pids(runtime["scope"])) - {int(runtime["pid"])}
    found = [psutil.Process(pid) for pid in others]
    (escaped,) = [each for each in found if str(seconds) in each.cmdline()]
    return escaped


@pytest.mark.parametrize("verb", ["stop", "kill", "restart"])
def test_what_has_left_the_kernel_but_not_its_scope_ends_with_it(
    service: Manager, start: Callable[..., dict[str, str]], verb: str
) -> None:
    runtime, other = start(), start()
    escaped, stranger = escaped_from(service, runtime, 1001), escaped_from(service, other, 1002)
    done = service.runt(verb, runtime["id"])
    assert done.returncode == 0, done.stderr
    assert not escaped.is_running()
    assert stranger.is_running()
    assert service.show(other["scope"], "ActiveState") == "active"
    assert runtime["scope"] not in scopes(service)


def test_what_has_left_a_kernel_that_died_is_left_alone_until_it_is_started_again(
    service: Manager, start: Callable[..., dict[str, str]]
) -> None:
    runtime = start()
    escaped = escaped_from(service, runtime, 1003)
    psutil.Process(int(runtime["pid"])).kill()
    until(lambda: "dead" in service.runt("show", runtime["id"]).stdout)
    assert escaped.is_running()
    escaped.kill()
    until(lambda: runtime["scope"] not in scopes(service))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_no_scope_stays_behind_a_kernel_that_was_killed(
    service: Manager, start: Callable[..., dict[str, str]], number: signal.Signals
) -> None:
    runtime = start()
    psutil.Process(int(runtime["pid"])).send_signal(number)
    until(lambda: not scopes(service))
    done = service.runt("show", runtime["id"])
    assert number.name in done.stdout or f'"signal": {int(number)}' in done.stdout


def test_a_scope_that_has_failed_is_looked_at_and_forgotten(
    service: Manager, start: Callable[..., dict[str, str]]
) -> None:
    service.drop_in("runtimed.service", "[Service]\nEnvironment=RUNTIMED_PROBE_INTERVAL_S=0.2\n")
    service.systemctl("restart", "runtimed.service")
    runtime = start()
    # A process that does not end on SIGTERM makes the manager kill it: that is a failure to it.
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    service.runt("eval", "-r", runtime["id"], stubborn)
    service.systemctl("stop", runtime["scope"])
    assert "Failed with result 'timeout'" in service.journal(runtime["scope"])
    until(lambda: not scopes(service))


def test_ending_daemon_and_kernels_leaves_no_scope(
    service: Manager, start: Callable[..., dict[str, str]]
) -> None:
    for _ in range(3):
        runtime = start()
        escaped_from(service, runtime, 1004)
    service.systemctl("stop", "runtimed.socket")
    done = service.runt("call", "daemon.stop", '{"kernels": true}')
    assert done.returncode == 0, done.stderr
    until(lambda: not scopes(service))
