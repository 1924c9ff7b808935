"""What happens to running code while parts of the service come and go."""

from __future__ import annotations

import os
import signal
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.systemd import USER_IDS, USERS
from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from tests.harness.systemd import Manager

as_both = pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)

UNITS = ("runtimed.service", "runtimed-keeper.service")
LINES = 400
#: Prints numbered lines for some seconds; whatever happens meanwhile, all of them must be kept.
STORM = f"""
import time
for number in range({LINES}):
    print(number, flush=True)
    time.sleep(0.01)
"""
WHOLE = "".join(f"{number}\n" for number in range(LINES))


def begin(service: Manager, code: str = STORM) -> str:
    """Submit code to a runtime, and wait until it runs."""
    assert service.runt("eval", "mark = 17").returncode == 0
    done = service.runt("submit", "--quiet", code)
    assert done.returncode == 0, done.stderr
    execution = done.stdout.strip()
    until(lambda: of(service, execution)["outputs"], "its first output")
    return execution


def of(service: Manager, execution: str) -> Any:
    return service.call("execution.get", execution=execution)


def end(service: Manager, execution: str) -> str:
    """Wait for it, and return what it printed."""
    done = service.runt("wait", execution)
    found = of(service, execution)
    assert (done.returncode, found["status"], found["gap"]) == (0, "done", None), found
    return "".join(each["text"] for each in found["outputs"] if each["output_type"] == "stream")


def kernel(service: Manager) -> tuple[int, str]:
    """Return the pid of the one kernel, and what it still knows."""
    (runtime,) = service.call("runtime.list")
    return runtime["pid"], service.runt("eval", "mark").stdout


def statuses(service: Manager) -> dict[str, str]:
    return {each["id"]: each["status"] for each in service.call("runtime.list", all=True)}


@as_both
def test_a_restart_in_the_middle_of_a_cell_loses_no_line(service: Manager) -> None:
    execution = begin(service)
    pid = service.call("runtime.list")[0]["pid"]
    service.systemctl("restart", "runtimed.service")
    assert end(service, execution) == WHOLE
    assert kernel(service) == (pid, "17\n")


def test_who_connects_during_a_restart_waits(service: Manager) -> None:
    assert service.runt("eval", "1").returncode == 0
    service.drop_in("runtimed.service", "[Service]\nExecStartPre=/bin/sleep 1\n")
    restart = service.popen("systemctl", "--user", "restart", "runtimed.service")
    with restart:
        until(lambda: service.show("runtimed.service", "SubState") == "start-pre", "its start")
        done = service.runt("eval", "6 * 7")
    assert (done.returncode, done.stdout, restart.returncode) == (0, "42\n", 0), done.stderr


@as_both
def test_a_daemon_that_hangs_is_replaced(service: Manager) -> None:
    service.drop_in("runtimed.service", "[Service]\nWatchdogSec=2s\n")
    service.systemctl("restart", "runtimed.service")
    execution = begin(service)
    (runtime,) = service.call("runtime.list")
    hung = service.main_pid("runtimed.service")
    os.kill(hung, signal.SIGSTOP)
    until(lambda: service.main_pid("runtimed.service") not in (hung, 0), "another daemon")
    assert end(service, execution) == WHOLE
    assert kernel(service) == (runtime["pid"], "17\n")
    said = service.journal("runtimed.service")
    assert "Watchdog timeout" in said
    assert service.show("runtimed.service", "NRestarts") == "1"


@pytest.mark.parametrize("unit", ["runtimed.service", "runtimed-keeper.service"])
def test_a_killed_process_is_replaced_and_kernels_live_on(service: Manager, unit: str) -> None:
    begin(service, "import time; print(1, flush=True); time.sleep(1); done = True")
    (runtime,) = service.call("runtime.list")
    pids = {each: service.main_pid(each) for each in UNITS}
    os.kill(pids[unit], signal.SIGKILL)
    until(lambda: service.main_pid(unit) not in (pids[unit], 0), f"another {unit}")
    assert kernel(service) == (runtime["pid"], "17\n")
    assert service.runt("eval", "done").stdout == "True\n"
    (other,) = set(UNITS) - {unit}
    assert service.main_pid(other) == pids[other], "only what died was replaced"


@pytest.mark.parametrize("verb", ["restart", "stop"])
def test_the_keeper_may_go_and_the_daemon_stays(service: Manager, verb: str) -> None:
    assert service.runt("eval", "mark = 17").returncode == 0
    (runtime,) = service.call("runtime.list")
    daemon, keeper = (service.main_pid(unit) for unit in UNITS)
    # Who stops it may be told that the job was cancelled: by the daemon's start.
    service.systemctl(verb, "runtimed-keeper.service", check=verb == "restart")
    # Stopped by hand, it is started by the daemon, which needs it, through the service manager.
    until(lambda: service.main_pid("runtimed-keeper.service") not in (keeper, 0), "a keeper")
    assert kernel(service) == (runtime["pid"], "17\n")
    assert service.main_pid("runtimed.service") == daemon
    present = service.main_pid("runtimed-keeper.service")
    assert service.call("daemon.status")["keeper_pid"] == present
    assert present in service.cgroup_pids("runtimed-keeper.service")


def test_the_manager_may_be_executed_anew(service: Manager) -> None:
    execution = begin(service)
    (runtime,) = service.call("runtime.list")
    pids = [service.main_pid(unit) for unit in UNITS]
    service.systemctl("daemon-reexec")
    service.systemctl("is-active", *UNITS, "runtimed.socket")
    assert [service.main_pid(unit) for unit in UNITS] == pids
    service.systemctl("restart", "runtimed.service")
    assert end(service, execution) == WHOLE
    assert kernel(service) == (runtime["pid"], "17\n")


@as_both
def test_stopping_the_slice_ends_everything_and_nothing_comes_back(service: Manager) -> None:
    begin(service)
    (runtime,) = service.call("runtime.list")
    pids = [*(service.main_pid(unit) for unit in UNITS), runtime["pid"]]
    client = service.popen("runt", "attach", stdout=DEVNULL, stderr=DEVNULL)
    service.systemctl("stop", "runtimed.slice")
    with client:
        client.wait(30)
    assert not service.systemctl("list-units", "--no-legend", "runtimed*", check=False)
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
    looked = service.runt("ps")
    assert looked.returncode == 5, "to look starts nothing"
    assert service.show("runtimed.service", "ActiveState") == "inactive"
    # The next start finds on the record how it ended.
    service.systemctl("start", "runtimed.socket")
    until(lambda: statuses(service) == {runtime["id"]: "dead"}, "its end")
