"""One daemon and one ipykernel for all tests of a module, as for executions."""

from __future__ import annotations

from tests.process.daemon.executions.conftest import daemon, repl, state

__all__ = ["daemon", "repl", "state"]
