"""One daemon and one ipykernel for all tests of a module, as for executions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from runtimed.client.connecting import dial
from runtimed.client.lines import LineClient
from tests.process.daemon.executions.conftest import daemon, repl, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.harness.daemon import State

__all__ = ["daemon", "repl", "state"]


class As(Protocol):
    """Connects as another client would: ``with as_client("mcp", "claude-code") as client``."""

    def __call__(
        self, client: str = "mcp", agent: str | None = None
    ) -> AbstractContextManager[LineClient]: ...


@pytest.fixture(scope="module")
def as_client(state: State) -> As:
    @contextmanager
    def connected(client: str = "mcp", agent: str | None = None) -> Iterator[LineClient]:
        path = str(state.socket)
        lines = LineClient(dial(path), path)
        lines.hello(client, agent)
        try:
            yield lines
        finally:
            lines.close()

    return connected


@pytest.fixture(scope="module")
def call_as(as_client: As) -> Callable[..., Any]:
    """Makes one call: ``call_as("claude-code", "runtime.start", kernel_name="python3")``."""

    def call(agent: str | None, method: str, **params: Any) -> Any:
        with as_client("mcp", agent) as client:
            return client.call(method, params)

    return call
