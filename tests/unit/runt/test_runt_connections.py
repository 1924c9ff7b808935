"""`runt eval` when the connection ends, or nobody answers at its other end."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.fake_daemon import HELLO, Connection, FakeDaemon, HangUp, Refuse
from tests.harness.script import end, out, running

if TYPE_CHECKING:
    from tests.unit.runt.conftest import Run, Serve


# -- connections that end


def hang_up(connection: Connection, params: dict[str, Any]) -> Any:
    raise HangUp


def test_a_lost_connection_resumes_after_the_last_event(serve: Serve, run: Run) -> None:
    """Nothing twice, nothing missing, not a word about it; and the code is not sent again."""
    daemon: FakeDaemon
    cursors: list[str] = []

    def subscribe(connection: Connection, params: dict[str, Any]) -> Any:
        connection.filters = params
        result = {"subscription": "s", "cursor": f"e.{daemon.seq}"}
        if "since" not in params:
            return result
        cursors.append(params["since"])

        def rest() -> None:
            out("second\n")(connection)
            end()(connection)

        return result, rest

    def cut(connection: Connection) -> None:
        cursors.append(f"e.{daemon.seq}")
        raise HangUp

    daemon = serve(events__subscribe=subscribe, execution__submit=running(out("first\n"), cut))
    done = run("eval", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "first\nsecond\n", "")
    assert cursors[0] == cursors[1]
    assert len(daemon.params("execution.submit")) == 1


def test_without_an_acknowledgement_the_same_id_is_submitted_again(serve: Serve, run: Run) -> None:
    attempts: list[str] = []

    def submit(connection: Connection, params: dict[str, Any]) -> Any:
        attempts.append(params["id"])
        if len(attempts) == 1:
            raise HangUp
        return running(out("once\n"), end())(connection, params)

    daemon = serve(execution__submit=submit)
    done = run("eval", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\n", "")
    assert len(attempts) == 2
    assert len(set(attempts)) == 1
    assert len(daemon.params("events.subscribe")) == 2


def test_a_daemon_that_is_stopping_is_asked_no_more(serve: Serve, run: Run) -> None:
    attempts: list[str] = []

    def submit(connection: Connection, params: dict[str, Any]) -> Any:
        attempts.append(params["id"])
        if len(attempts) == 1:

            def leave() -> None:
                raise HangUp

            connection.send(
                {
                    "jsonrpc": "2.0",
                    "id": 3,
                    "error": {
                        "code": -32033,
                        "message": "stopping",
                        "data": {"name": "ShuttingDown"},
                    },
                }
            )
            leave()
        return running(out("once\n"), end())(connection, params)

    serve(execution__submit=submit)
    assert run("eval", "x").stdout == "once\n"


def test_one_that_hangs_up_again_and_again_is_given_up(serve: Serve, run: Run) -> None:
    serve(events__subscribe=hang_up)
    done = run("eval", "x")
    assert done.returncode == 5
    assert done.stderr.endswith("it hangs up again and again; its log tells more\n")


@pytest.mark.parametrize("argv", [["eval", "x"], ["ps"], ["start"]], ids=" ".join)
def test_one_that_hangs_up_at_once_has_no_log_of_ours(
    serve: Serve, run: Run, argv: list[str]
) -> None:
    serve(daemon__hello=hang_up)
    done = run(*argv)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(
        "does not answer at {}: it hung up before it had answered\n".format(
            run.env["RUNTIMED_SOCKET"]
        )
    )


@pytest.mark.parametrize("leave", ["hang up", "say so"])
def test_one_that_leaves_at_hello_is_followed_by_the_next(
    serve: Serve, run: Run, leave: str
) -> None:
    hellos: list[str] = []

    def hello(connection: Connection, params: dict[str, Any]) -> Any:
        hellos.append(leave)
        if len(hellos) > 1:
            return HELLO
        raise HangUp if leave == "hang up" else Refuse("ShuttingDown", 5)

    serve(daemon__hello=hello, execution__submit=running(out("once\n"), end()))
    assert run("eval", "x").stdout == "once\n"
    assert len(hellos) == 2


@pytest.mark.parametrize("argv", [["eval", "x"], ["ps"], ["status"], ["start"]], ids=" ".join)
def test_one_that_says_nothing_is_given_up(run: Run, argv: list[str]) -> None:
    """As a daemon that is stopped (SIGSTOP); here `runt` has less patience than it has."""
    script = (
        "import sys\n"
        "from runtimed.client import connecting\n"
        "connecting.PATIENCE_S = 0.2\n"
        "from runt.cli import main\n"
        "sys.exit(main())\n"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(run.env["RUNTIMED_SOCKET"])
        listener.listen()
        done = run.program([sys.executable, "-c", script], *argv)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.count("\n") == 1
    assert ": no answer in 0.2 s; `runt service restart` replaces it" in done.stderr
    assert "does not answer" in done.stderr


def test_after_lagged_it_subscribes_again_where_it_was(serve: Serve, run: Run) -> None:
    def subscribe(connection: Connection, params: dict[str, Any]) -> Any:
        connection.filters = params
        result = {"subscription": "s", "cursor": "e.0"}
        if "since" not in params:
            return result

        def rest() -> None:
            out("rest\n")(connection)
            end()(connection)

        return result, rest

    daemon = serve(
        events__subscribe=subscribe,
        execution__submit=running(out("first\n"), lambda c: c.event("lagged", {})),
    )
    assert run("eval", "x").stdout == "first\nrest\n"
    assert [p.get("since") for p in daemon.params("events.subscribe")] == [None, "e.3"]
