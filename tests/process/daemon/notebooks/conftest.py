"""One daemon and one ipykernel for all tests of a module, and notebooks in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import shared
from tests.process.daemon.story import final

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon


@dataclass
class Desk:
    """A daemon, a runtime, and how a test makes and runs notebooks there."""

    daemon: Daemon
    runtime: str

    def call(self, method: str, **params: Any) -> Any:
        return self.daemon.call(method, **params)

    def notebook(self, *sources: str) -> Any:
        """Make a notebook of code cells that run in the runtime."""
        cells = [{"src": src} for src in sources]
        made = self.call("notebook.create", name="n", cells=cells)
        edited = self.call("notebook.edit", notebook=made["id"], runtime=self.runtime)
        assert edited["runtime"]["id"] == self.runtime
        return self.call("notebook.get", notebook=made["id"])

    def run(self, cell: str, **params: Any) -> Any:
        """Run a cell and return its final execution."""
        return final(self.daemon, self.call("cell.run", cell=cell, **params)["id"])

    def sources(self, notebook: str) -> list[str]:
        return [cell["src"] for cell in self.call("cell.list", notebook=notebook)]


state, daemon = shared.state, shared.daemon


@pytest.fixture(scope="module")
def desk(daemon: Daemon) -> Desk:
    return Desk(daemon, daemon.call("runtime.start", kernel_name="python3")["id"])
