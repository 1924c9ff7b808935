"""`runt record` and `runt forget`, and the moments that people name."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from runt.failures import UsageFailure
from runt.when import moment
from tests.unit.runt.conftest import RUNT
from tests.unit.runt.test_runt_others import ADOPTED
from tests.unit.runt.verbs import RUNTIME

if TYPE_CHECKING:
    from tests.unit.runt.conftest import Run, Serve


# -- record and forget


def test_recording_of_runtimes(serve: Serve, run: Run) -> None:
    daemon = serve(runtime__record=lambda c, p: [ADOPTED])
    assert run("record", "off", "a", "b").stdout == "recording of 2p1r0s9t: off\n" * 2
    assert run("record", "metadata", "a", "-q").stdout == "2p1r0s9t\n"
    assert daemon.params("runtime.record") == [
        {"runtime": "a", "record": "off"},
        {"runtime": "b", "record": "off"},
        {"runtime": "a", "record": "metadata"},
    ]


def test_recording_below_a_directory(serve: Serve, run: Run) -> None:
    daemon = serve(runtime__record=lambda c, p: [ADOPTED])
    os.symlink(run.directory, os.path.join(run.directory, "link"))
    done = run("record", "all", "--dir", "link", env={"HOME": "/nowhere"})
    assert done.stdout == f"recording below {run.directory}: all\nrecording of 2p1r0s9t: all\n"
    assert run("record", "off").stdout.splitlines()[0] == "recording everywhere: off"
    assert daemon.params("runtime.record") == [
        {"directory": run.directory, "record": "all"},
        {"directory": "/", "record": "off"},
    ]


@pytest.mark.parametrize(
    "argv", [["off", "a", "--dir", "/x"], ["sometimes"], ["off", "--dir", __file__], []]
)
def test_recording_needs_to_know_of_what(serve: Serve, run: Run, argv: list[str]) -> None:
    daemon = serve()
    assert run("record", *argv).returncode == 2
    assert daemon.calls == []


def forgetting(serve: Serve) -> Any:
    return serve(
        runtime__get=lambda c, p: ADOPTED,
        runtime__forget=lambda c, p: {"executions": 3, "blobs": 1},
    )


def test_forgetting_needs_a_yes(serve: Serve, run: Run) -> None:
    daemon = forgetting(serve)
    done = run("forget", "lab")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert daemon.calls == []
    assert run("forget", "lab", "--yes").stdout == "forgot 3 executions of 2p1r0s9t\n"
    since = "2026-01-31T13:00:00+01:00"
    forgotten = json.loads(run("forget", "lab", "-y", "--since", since, "--json").stdout)
    assert forgotten["forgotten"] == [{"runtime": RUNTIME["id"], "executions": 3, "blobs": 1}]
    assert daemon.params("runtime.forget") == [
        {"runtime": "lab"},
        {"runtime": "lab", "since": "2026-01-31T12:00:00.000Z"},
    ]


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_forgetting_asks_on_a_terminal(serve: Serve, run: Run, answer: str, code: int) -> None:
    daemon = forgetting(serve)
    child = pexpect.spawn(
        RUNT[0], [*RUNT[1:], "forget", "lab"], env=run.env, cwd=run.directory, timeout=20
    )
    child.expect_exact("Forget what lab (2p1r0s9t) has run? [y/N]: ")
    assert daemon.params("runtime.forget") == []
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert len(daemon.params("runtime.forget")) == (code == 0)


NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2h", "2026-01-31T10:00:00.000Z"),
        ("90m", "2026-01-31T10:30:00.000Z"),
        ("3d", "2026-01-28T12:00:00.000Z"),
        ("1w", "2026-01-24T12:00:00.000Z"),
        ("5s", "2026-01-31T11:59:55.000Z"),
        ("2026-01-30T00:00:00Z", "2026-01-30T00:00:00.000Z"),
        ("2026-01-30T01:00:00.5+01:00", "2026-01-30T00:00:00.500Z"),
    ],
)
def test_a_moment(text: str, meant: str) -> None:
    assert moment(text, NOW) == meant


def test_a_moment_without_a_zone_is_by_the_clock_on_the_wall() -> None:
    local = datetime(2026, 1, 30).astimezone()
    assert moment("2026-01-30", NOW) == f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


@pytest.mark.parametrize("text", ["", "2", "h", "2y", "-2h", "yesterday", "9" * 20 + "d", "٢h"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UsageFailure):
        moment(text, NOW)
