"""One daemon and one ipykernel for all tests of a module: those that end neither share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import shared
from tests.process.daemon.story import WAIT_S, final

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon


@dataclass
class Repl:
    """A runtime, and how a test evaluates in it."""

    daemon: Daemon
    id: str

    def eval(self, code: str, **params: Any) -> Any:
        """Evaluate and return the final execution with its outputs."""
        found = self.daemon.call(
            "execution.eval", runtime=self.id, code=code, wait_s=WAIT_S, **params
        )
        assert found["execution_end"], found
        return found

    def submit(self, code: str, **params: Any) -> str:
        """Queue code and return the execution's id."""
        identity = self.daemon.call("execution.submit", runtime=self.id, code=code, **params)["id"]
        assert isinstance(identity, str)
        return identity

    def get(self, execution: str) -> Any:
        return self.daemon.call("execution.get", execution=execution)

    def final(self, execution: str) -> Any:
        return final(self.daemon, execution)

    def value(self, code: str) -> str:
        """Evaluate and return the text of the result."""
        found = self.eval(code)
        assert found["status"] == "done", found
        text = found["outputs"][-1]["data"]["text/plain"]
        assert isinstance(text, str)
        return text


state, daemon = shared.state, shared.daemon


@pytest.fixture(scope="module")
def repl(daemon: Daemon) -> Repl:
    return Repl(daemon, daemon.call("runtime.start", kernel_name="python3")["id"])
