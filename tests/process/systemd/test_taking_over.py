"""Kernels that change hands: from a detached daemon and keeper to the service, or a new keeper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.systemd import USER_IDS, USERS
from tests.process.daemon.adoption.waiting import until
from tests.process.systemd.test_interruptions import UNITS, WHOLE, begin, end, kernel

if TYPE_CHECKING:
    from tests.harness.systemd import Manager

as_both = pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)


@as_both
def test_the_service_takes_over_what_runs_detached(manager: Manager) -> None:
    detached = manager.env | {"RUNTIMED_MANAGER": "detached"}
    assert manager.runt("eval", "1", env=detached).returncode == 0
    execution = begin(manager)
    before = manager.call("daemon.status")
    (runtime,) = manager.call("runtime.list")
    manager.install_units()
    manager.systemctl("start", "runtimed.service")
    assert end(manager, execution) == WHOLE
    assert kernel(manager) == (runtime["pid"], "17\n")
    status = manager.call("daemon.status")
    pids = [manager.main_pid(unit) for unit in UNITS]
    assert [status["pid"], status["keeper_pid"]] == pids
    assert not {before["pid"], before["keeper_pid"]} & set(pids)


@as_both
def test_a_reloaded_keeper_hands_over_in_the_middle_of_a_cell(service: Manager) -> None:
    execution = begin(service)
    (runtime,) = service.call("runtime.list")
    daemon, keeper = (service.main_pid(unit) for unit in UNITS)
    service.systemctl("reload", "runtimed-keeper.service")
    until(lambda: service.main_pid("runtimed-keeper.service") not in (keeper, 0), "a new keeper")
    assert end(service, execution) == WHOLE
    assert kernel(service) == (runtime["pid"], "17\n")
    assert service.main_pid("runtimed.service") == daemon
    assert service.show("runtimed-keeper.service", "NRestarts") == "0"
    present = service.main_pid("runtimed-keeper.service")
    assert service.call("daemon.status")["keeper_pid"] == present
