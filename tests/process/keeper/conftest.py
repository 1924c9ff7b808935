"""A keeper of its own for each test, in a directory of its own."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.harness.keeper import Client, Keeper, Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    # Not pytest's tmp_path: its names are too long for the address of a Unix socket.
    directory = tempfile.mkdtemp(prefix="rtk-")
    keeper = Keeper(directory)
    try:
        yield keeper
    finally:
        keeper.close()
        shutil.rmtree(directory)


@pytest.fixture
def client(keeper: Keeper) -> Client:
    return keeper.start().connect()


@pytest.fixture(params=["ipc", "tcp"])
def kernel(request: pytest.FixtureRequest, keeper: Keeper) -> Kernel:
    """A kernel that is not started yet, over each transport."""
    return Kernel(keeper, "r1", request.param)


@pytest.fixture
def ipc_kernel(keeper: Keeper) -> Kernel:
    return Kernel(keeper, "r1", "ipc")
