from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from runtimed.supervision import ServiceManager

if TYPE_CHECKING:
    from pathlib import Path


def test_a_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        service = ServiceManager()
        service.notify("READY=1")
        assert manager.recv(100) == b"READY=1"
        service.reloading()
        first, second = manager.recv(100).decode().split("\n")
        assert first == "RELOADING=1"
        assert second.removeprefix("MONOTONIC_USEC=").isdecimal()
        assert service.is_present
    service._notifier.socket.close()  # type: ignore[union-attr]


def test_without_a_service_manager_nobody_is_told() -> None:
    service = ServiceManager({})
    service.notify("READY=1")
    assert not service.is_present
    assert service.watchdog_s is None


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_the_watchdog_is_fed_only_where_it_is_ours(
    environ: dict[str, str], watchdog_s: float | None
) -> None:
    assert ServiceManager(environ).watchdog_s == watchdog_s
