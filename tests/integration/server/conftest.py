"""A server for each test, at a short path."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.lineserver import RawClient, Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """Return a private directory whose path leaves room in a socket address."""
    directory = Path(tempfile.mkdtemp(prefix="rd-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def socket_path(short_dir: Path) -> Path:
    return short_dir / "s"


@pytest.fixture
def service(socket_path: Path) -> Iterator[Service]:
    with serving(socket_path, Service()) as service:
        yield service


@pytest.fixture
def raw(service: Service, socket_path: Path) -> Iterator[RawClient]:
    with RawClient(socket_path) as client:
        yield client
