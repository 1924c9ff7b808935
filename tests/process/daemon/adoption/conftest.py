"""Kernels of somebody else's: some that cost next to nothing, and one that its owner shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.kernels.launch import ipc_address, tcp_address, write_connection_file
from tests.harness import fake_kernels
from tests.process.daemon.adoption.sharing import Shared
from tests.process.daemon.adoption.waiting import adopted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State
    from tests.harness.foreign import KernelNamed


class Fakes:
    """Starts kernels, and writes connection files where they belong, or do not."""

    def __init__(self, state: State, kernels: fake_kernels.FakeKernels) -> None:
        self.directory = state.root / "jr"
        self._root = state.root
        self._kernels = kernels
        self._count = 0

    def listening(self, info: dict[str, Any] | None = None, *, ipc: bool = False) -> dict[str, Any]:
        """Start a kernel, and return what its connection file would say, or says already."""
        self._count += 1
        hidden = self._root / f"{self._count}.json"
        prefix = str(self._root / f"k{self._count}")
        info = info or (ipc_address(prefix, "fake") if ipc else tcp_address("fake"))
        write_connection_file(str(hidden), info)
        self._kernels.start(hidden)
        return info

    def file(self, info: dict[str, Any], name: str, directory: Path | None = None) -> Path:
        """Write a connection file as kernel-NAME.json."""
        directory = directory or self.directory
        directory.mkdir(mode=0o700, exist_ok=True)
        path = directory / f"kernel-{name}.json"
        write_connection_file(str(path), info)
        return path

    def kernel(self, name: str, directory: Path | None = None) -> Path:
        """Start a kernel, write its connection file, and return that."""
        return self.file(self.listening(), name, directory)


@pytest.fixture
def fakes(state: State) -> Iterator[Fakes]:
    with fake_kernels.serving(state.home / ".local/share/jupyter", state.root / "z") as kernels:
        yield Fakes(state, kernels)


@pytest.fixture
def shared(state: State, daemon: Daemon, runt: Runt, kernel_named: KernelNamed) -> Shared:
    kernel = kernel_named("python3")
    runtime = adopted(daemon, kernel.connection_file)
    return Shared(state, daemon, runt, kernel, runtime, kernel.client())
