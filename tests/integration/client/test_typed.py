"""The typed clients, blocking and asyncio's, against a service that answers as the test says."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from runtimed import client as client_package
from runtimed.api.errors import (
    DaemonUnreachable,
    Internal,
    NotRuntimed,
    RuntimeNotFound,
    ShuttingDown,
)
from runtimed.api.executions import ExecutionEval, ExecutionSubmit, ExecutionWait
from runtimed.api.runtimes import RuntimeGet, RuntimeStop
from runtimed.client.lines import SERVICE
from tests.harness.clients import AnyClient, connected
from tests.harness.fake_daemon import FakeDaemon, HangUp, Refuse, fake_daemon
from tests.harness.lineserver import Echo, Fail, Service, Who

if TYPE_CHECKING:
    from collections.abc import Iterator

EXECUTION = {
    **{"id": "01J", "incarnation": 1, "code": "1", "status": "done", "queued_at": "-"},
    **{"execution_started": None, "execution_end": None, "execution_count": 1, "cell": None},
    **{"runtime": {"id": "r", "name": "r", "kernel_name": "k"}, "requested_by": {"client": "c"}},
    **{"group": None, "input": None, "gap": None, "reason": None, "outputs": []},
}

Serve = Callable[..., FakeDaemon]
OpenClient = Callable[..., AnyClient]


@pytest.fixture(params=["blocking", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def directory() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="rt-", dir="/tmp") as path:
        yield path


@pytest.fixture
def serve(directory: str) -> Iterator[Callable[..., FakeDaemon]]:
    with ExitStack() as stack:

        def start(**answers: Any) -> FakeDaemon:
            named = {name.replace("__", "."): answer for name, answer in answers.items()}
            return stack.enter_context(fake_daemon(directory, named))

        yield start


@pytest.fixture
def open_client(directory: str, kind: str) -> Iterator[Callable[..., AnyClient]]:
    """``open_client()`` → a client of either kind, closed at the end."""
    with ExitStack() as stack:

        def opened(**options: Any) -> AnyClient:
            path = os.path.join(directory, "fake.sock")
            return stack.enter_context(connected(kind, path, **options))

        yield opened


def test_calls_and_their_errors(service: Service, socket_path: Path, kind: str) -> None:
    with connected(kind, str(socket_path), client="named") as client:
        assert client.call(Echo(value=[1])) == [1]
        assert client.call(Who())["client"] == "named"
        with pytest.raises(RuntimeNotFound, match="r1"):
            client.call(Fail(known=True))
        with pytest.raises(Internal):
            client.call(Fail())
        assert client.call(Echo(value="x" * 3, times=1_000_000)) == "x" * 3_000_000


def test_without_a_service(socket_path: Path, kind: str) -> None:
    with pytest.raises(DaemonUnreachable), connected(kind, str(socket_path)):
        pass
    socket_path.write_text("")
    with pytest.raises(NotRuntimed), connected(kind, str(socket_path)):
        pass


def test_something_else_answers(socket_path: Path, kind: str) -> None:
    with fake_daemon(str(socket_path.parent), {"daemon.hello": lambda c, p: {}}):
        other = str(socket_path.parent / "fake.sock")
        with pytest.raises(NotRuntimed, match=SERVICE), connected(kind, other):
            pass


def once(failure: BaseException, result: Any) -> Any:
    """Return an answer that fails the first time."""
    failures = [failure]

    def answer(connection: Any, params: dict[str, Any]) -> Any:
        if failures:
            raise failures.pop()
        return result

    return answer


GOING = [HangUp(), Refuse("ShuttingDown", 5)]


@pytest.mark.parametrize("failure", GOING, ids=["hangs up", "shutting down"])
def test_what_only_reads_is_asked_again(
    serve: Serve, open_client: OpenClient, failure: Any
) -> None:
    daemon = serve(execution__wait=once(failure, EXECUTION))
    assert open_client().call(ExecutionWait(execution="e")).status == "done"
    assert daemon.params("execution.wait") == [{"execution": "e"}] * 2
    assert len(daemon.params("daemon.hello")) == 2


@pytest.mark.parametrize("failure", GOING, ids=["hangs up", "shutting down"])
def test_a_submission_has_an_id_so_that_it_can_be_repeated(
    serve: Serve, open_client: OpenClient, failure: Any
) -> None:
    daemon = serve(
        execution__eval=once(failure, EXECUTION), execution__submit=once(failure, EXECUTION)
    )
    client = open_client()
    assert client.call(ExecutionEval(code="1", runtime="r")).code == "1"
    first, second = daemon.params("execution.eval")
    assert first == second
    assert len(first["id"]) == 26
    client.call(ExecutionSubmit(code="1", runtime="r", id="mine"))
    assert [each["id"] for each in daemon.params("execution.submit")] == ["mine", "mine"]


@pytest.mark.parametrize("failure", GOING, ids=["hangs up", "shutting down"])
def test_what_may_have_been_done_is_not_done_again(
    serve: Serve, open_client: OpenClient, failure: Any
) -> None:
    daemon = serve(runtime__stop=once(failure, None), execution__wait=once(HangUp(), EXECUTION))
    client = open_client()
    with pytest.raises((DaemonUnreachable, ShuttingDown)):
        client.call(RuntimeStop(runtime="r"))
    assert len(daemon.params("runtime.stop")) == 1
    assert client.call(ExecutionWait(execution="e")).status == "done"


def test_the_time_to_wait_is_not_begun_anew(
    serve: Serve, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [100.0]
    monkeypatch.setattr("runtimed.client.patience.monotonic", lambda: now_s[0])

    def wait(connection: Any, params: dict[str, Any]) -> Any:
        now_s[0] += 40
        if now_s[0] < 200:
            raise HangUp
        return EXECUTION

    daemon = serve(execution__wait=wait)
    open_client(patience_s=1000).call(ExecutionWait(execution="e", wait_s=90))
    assert [each["wait_s"] for each in daemon.params("execution.wait")] == [90, 50, 10]


def test_an_error_is_no_reason_to_connect_anew(serve: Serve, open_client: OpenClient) -> None:
    refused = Refuse("Internal", 70)
    daemon = serve(
        runtime__get=once(refused, None), execution__wait=lambda connection, params: EXECUTION
    )
    client = open_client()
    with pytest.raises(Internal, match="refused"):
        client.call(RuntimeGet(runtime="r"))
    client.call(ExecutionWait(execution="e"))
    assert len(daemon.params("daemon.hello")) == 1


def test_patience_ends(serve: Serve, open_client: OpenClient) -> None:
    def wait(connection: Any, params: dict[str, Any]) -> Any:
        raise HangUp

    serve(execution__wait=wait)
    with pytest.raises(DaemonUnreachable, match="hung up"):
        open_client(patience_s=0).call(ExecutionWait(execution="e"))


def test_a_daemon_that_was_replaced_meanwhile_gets_even_what_is_said_once(
    directory: str, open_client: OpenClient
) -> None:
    """The connection that is kept is seen to be over before anything is said on it."""
    path = Path(directory, "fake.sock")
    with fake_daemon(directory, {}):
        client = open_client()
    path.unlink()
    ended = {"runtime": None, "how": "SIGKILL"}
    with fake_daemon(directory, {"runtime.stop": lambda connection, params: ended}) as second:
        with pytest.raises(msgspec.ValidationError):  # that is no runtime
            client.call(RuntimeStop(runtime="r"))
        assert len(second.params("runtime.stop")) == 1


def test_events_go_on_after_the_last_one(serve: Serve, open_client: OpenClient) -> None:
    def first(connection: Any) -> None:
        connection.event("output", {"n": 1})
        connection.event("of a later version", {})
        raise HangUp

    def second(connection: Any) -> None:
        connection.event("output", {"n": 2})
        connection.event("output", {"n": "of another"}, subscription="s9")
        connection.send({"jsonrpc": "2.0", "method": "something else", "params": []})
        connection.event("lagged", {})

    def third(connection: Any) -> None:
        connection.event("output", {"n": 3}, new_member=1)

    scripts = [first, second, third]

    def subscribe(connection: Any, params: dict[str, Any]) -> Any:
        script = scripts.pop(0)
        return {"subscription": "s1", "cursor": "e.0"}, lambda: script(connection)

    daemon = serve(events__subscribe=subscribe)
    events = open_client().events(types=["output"])
    assert [next(events).data["n"] for _ in range(3)] == [1, 2, 3]
    events.close()
    assert daemon.params("events.subscribe") == [
        {"types": ["output"]},
        {"types": ["output"], "since": "e.2"},
        {"types": ["output"], "since": "e.5"},
    ]


def test_a_cursor_of_another_store_is_said(serve: Serve, open_client: OpenClient) -> None:
    stale = Refuse("StaleCursor", 4)
    stale.error["data"] = {"name": "StaleCursor", "cursor": "x.1", "detail": "of another epoch"}

    def subscribe(connection: Any, params: dict[str, Any]) -> Any:
        raise stale

    serve(events__subscribe=subscribe)
    with pytest.raises(Exception, match="of another epoch"):
        open_client().events(since="x.1")


def test_the_hello_comes_first_and_alone(directory: str, kind: str) -> None:
    """Whoever listens there learns nothing else of us before it has said who it is."""
    with fake_daemon(directory, {"execution.wait": lambda c, p: EXECUTION}) as daemon:
        with connected(kind, os.path.join(directory, "fake.sock")) as client:
            client.call(ExecutionWait(execution="e"))
        assert [name for name, _ in daemon.calls] == ["daemon.hello", "execution.wait"]
        assert daemon.reads[0].count(b"\n") == 1


def test_importing_it_loads_little() -> None:
    script = (
        "import sys\nfrom runtimed.client import connect\nprint(*sys.modules)\n"
        "from runtimed.client import connect_async"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.split())
    assert "runtimed.client.blocking" in loaded
    heavy = {"asyncio", "zmq", "apsw", "jupyter_client", "nbformat", "subprocess", "ulid", "email"}
    assert loaded & heavy == set()


def test_the_package_has_what_it_says() -> None:
    assert set(client_package.__all__) <= set(dir(client_package))
    assert all(getattr(client_package, name) for name in client_package.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        client_package.nothing  # noqa: B018
