"""schemathesis asks a real daemon whatever its OpenAPI document allows, and what it does not.

Whatever comes, no answer is a server's error, and each is as the document says. Kernels are
started by nobody here: there is one runtime that has ended, with one execution.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from runtimed.api.openapi import openapi
from tests.harness import daemon as harness

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: They start, end or install something, write to files anywhere, or never end.
LEFT_OUT = {
    *("daemon.stop", "runtime.start", "runtime.restart", "runtime.forget", "runtime.remove"),
    *("runtime.prune", "execution.rerun", "events.subscribe", "cell.run", "environment.prepare"),
    *("notebook.open", "notebook.save", "notebook.run_all", "notebook.restart_and_run_all"),
}
#: What would have a kernel started for it.
STARTING = ("project", "kernel_name", "environment")


def _document() -> dict[str, Any]:
    document = openapi()
    for path, operations in list(document["paths"].items()):
        for verb, operation in list(operations.items()):
            if LEFT_OUT & set(operation.get("x-methods", ())):
                del operations[verb]
        if not operations:
            del document["paths"][path]
    return document


schema = schemathesis.openapi.from_dict(_document())


class UnixAdapter(requests.adapters.HTTPAdapter):
    """Takes requests to a Unix socket, whatever host they name."""

    def __init__(self, path: str) -> None:
        super().__init__()

        class Connection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                sock = socket.socket(socket.AF_UNIX)
                sock.settimeout(30)
                sock.connect(path)
                return sock

        self._pool = HTTPConnectionPool("runtimed")
        self._pool.ConnectionCls = Connection

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class Target:
    """A daemon, and the names of what it has."""

    def __init__(self, daemon: harness.Daemon) -> None:
        execution = daemon.call(
            "execution.eval", code="print(1)\n1 + 1", project=str(daemon.state.project)
        )
        daemon.call("runtime.stop", runtime=execution["runtime"]["id"])
        notebook = daemon.call("notebook.create", name="n")
        cell = daemon.call("cell.insert", notebook=notebook["id"], src="1")
        self.known = {
            "runtime": execution["runtime"]["id"],
            "execution": execution["id"],
            "notebook": notebook["id"],
            "cell": cell["id"],
        }
        self.session = requests.Session()
        self.session.mount("http://", UnixAdapter(str(daemon.state.socket)))


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    state = harness.State.create()
    daemon = harness.Daemon(state).start()
    target = Target(daemon)
    try:
        yield target
    finally:
        target.session.close()
        running = daemon.call("runtime.list")
        daemon.dispose()
        state.dispose()
    assert running == [], "a kernel was started"


@schema.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_whatever_comes_is_answered_as_promised(
    case: schemathesis.Case[Any], target: Target
) -> None:
    if isinstance(case.body, dict):
        for name in STARTING:
            case.body.pop(name, None)
    ask(case, target)
    if set(case.path_parameters or {}) & set(target.known):
        for name in case.path_parameters:
            case.path_parameters[name] = target.known.get(name, case.path_parameters[name])
        ask(case, target)


def ask(case: schemathesis.Case[Any], target: Target) -> None:
    response = case.call(base_url="http://runtimed", session=target.session)
    case.validate_response(response, checks=CHECKS)
