"""What daemon and keeper may go through, and the kernels in their scopes do not notice."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.harness.systemd import ORDINARY, USER_IDS, USERS
from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.systemd import Manager

DAEMON, KEEPER, SOCKET = "runtimed.service", "runtimed-keeper.service", "runtimed.socket"


def restart(service: Manager) -> None:
    service.systemctl("restart", KEEPER, DAEMON)


def stop(service: Manager) -> None:
    service.systemctl("stop", SOCKET, DAEMON, KEEPER)
    assert service.show(DAEMON, "ActiveState") == "inactive"
    assert service.show(KEEPER, "ActiveState") == "inactive"
    service.systemctl("start", SOCKET, DAEMON)


def kill(service: Manager) -> None:
    before = [service.main_pid(unit) for unit in (DAEMON, KEEPER)]
    service.systemctl("kill", "--signal=KILL", "--kill-who=main", DAEMON, KEEPER)
    until(lambda: not any(psutil.pid_exists(pid) for pid in before))
    service.systemctl("start", DAEMON)


def watchdog(service: Manager) -> None:
    """The daemon hangs and its watchdog ends it; the keeper gets what a watchdog would send."""
    service.drop_in(DAEMON, "[Service]\nWatchdogSec=1s\n")
    service.systemctl("restart", DAEMON)
    before = {unit: service.main_pid(unit) for unit in (DAEMON, KEEPER)}
    psutil.Process(before[DAEMON]).send_signal(signal.SIGSTOP)
    service.systemctl("kill", "--signal=ABRT", "--kill-who=main", KEEPER)
    until(lambda: all(service.main_pid(unit) not in (0, pid) for unit, pid in before.items()))


def reexec(service: Manager) -> None:
    service.systemctl("daemon-reexec")


@pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)
@pytest.mark.parametrize("end", [restart, stop, kill, watchdog, reexec])
def test_a_kernel_outlives_what_becomes_of_daemon_and_keeper(
    service: Manager, start: Callable[..., dict[str, str]], end: Callable[[Manager], None]
) -> None:
    runtime = start()
    scope, id = runtime["scope"], runtime["id"]
    assert int(runtime["pid"]) in service.cgroup_pids(scope)
    service.runt("eval", "-r", id, "x = 41")

    end(service)

    assert service.show(scope, "ActiveState") == "active"
    done = service.runt("eval", "-r", id, "x + 1")
    assert done.stdout.strip() == "42", done.stderr + service.journal()
    after = json.loads(service.runt("show", "--json", id).stdout)["runtime"]
    assert (after["pid"], after["scope"]) == (runtime["pid"], scope)


def test_the_scope_is_in_systemctl_status_under_our_slice(
    service: Manager, start: Callable[..., dict[str, str]]
) -> None:
    runtime = start()
    lines = service.systemctl("status").splitlines()
    (at,) = [number for number, line in enumerate(lines) if runtime["scope"] in line]
    (above,) = [number for number, line in enumerate(lines) if line.endswith("─runtimed.slice")]
    assert above < at
    assert str(runtime["pid"]) in lines[at + 1]
    assert runtime["short_id"] in service.show(runtime["scope"], "Description")
    assert KEEPER in service.show(runtime["scope"], "After").split()


@pytest.mark.parametrize("manager", [ORDINARY], indirect=True)
def test_at_logout_a_kernel_stops_before_what_records_its_end(
    service: Manager, start: Callable[..., dict[str, str]]
) -> None:
    runtime = start()
    service.runt("eval", "-r", runtime["id"], "1")
    kernel = psutil.Process(int(runtime["pid"]))
    keeper = psutil.Process(service.main_pid(KEEPER))
    service.systemctl("exit")
    psutil.wait_procs([kernel, keeper], timeout=60)
    ended = [meta for meta in events(service.state_dir, runtime["id"]) if meta["event"] == "exited"]
    assert [meta["signal"] for meta in ended] == [signal.SIGTERM], "the keeper was there to see it"


def events(state_dir: Path, runtime: str) -> list[dict[str, object]]:
    from runtimed.paths import State
    from runtimed.wire import journal

    found = []
    for path in sorted(type(state_dir)(State(str(state_dir)).journal(runtime)).glob("*.journal")):
        offset = journal.segment_offset(path.name)
        assert offset is not None
        records = journal.records(path.read_bytes(), offset)
        found += [record.meta for record in records if record.kind == journal.Kind.EVENT]
    return found
