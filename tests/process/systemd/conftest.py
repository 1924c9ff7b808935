"""The service as it is installed, and running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.harness.systemd import Manager


@pytest.fixture
def installed(manager: Manager) -> Manager:
    """A user manager with the units as they are shipped; the socket listens, nothing else runs."""
    manager.install_units()
    manager.systemctl("start", "runtimed.socket")
    return manager


@pytest.fixture
def service(installed: Manager) -> Manager:
    """The same, with the daemon and its keeper running."""
    installed.systemctl("start", "runtimed.service")
    return installed
