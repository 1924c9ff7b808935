"""How a kernel gets its scope, and what becomes of it where it gets none."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from runtimed.client.connecting import CallFailed
from tests.harness.daemon import Daemon

if TYPE_CHECKING:
    from tests.harness.daemon import State
    from tests.process.scopes.conftest import FakeManager

_EXEC = 'while [ "$1" != -- ]; do shift; done; shift; INVOCATION_ID=scope exec "$@"'
_NO_SCOPE = 'echo "Failed to start transient scope unit: no such luck" >&2; exit 1'


def start(daemon: Daemon, **params: object) -> dict[str, object]:
    env = {"PATH": os.environ["PATH"], "HOME": str(daemon.state.home)}
    env |= dict(params.pop("env", {}))  # type: ignore[call-overload]
    document: dict[str, object] = daemon.call(
        "runtime.start", environment=sys.executable, env=env, **params
    )
    return document


def variables_of(pid: object) -> dict[str, str]:
    return dict(psutil.Process(int(str(pid))).environ())


@pytest.mark.parametrize("dir_of_client", ["/somewhere/else", None])
def test_systemd_run_is_asked_in_its_environment_and_the_kernel_has_its_own(
    behind_fake: Daemon, fake: FakeManager, dir_of_client: str | None
) -> None:
    # It is in no scope in the end, but lives: only a kernel that ended before is started again.
    fake.systemd_run(_EXEC)
    env = {} if dir_of_client is None else {"XDG_RUNTIME_DIR": dir_of_client}
    runtime = start(behind_fake, env=env)
    ((runtime_dir, *words),) = fake.calls
    assert runtime_dir == str(fake.runtime_dir)
    before, after = words[: words.index("--")], words[words.index("--") + 1 :]
    short = str(runtime["short_id"])
    assert {"--user", "--scope", "--quiet", "--slice=runtimed.slice"} <= set(before)
    assert f"--unit=runtimed-kernel-{short}-1.scope" in before
    assert "OOMPolicy=continue" in before
    assert "--collect" not in before, "who collects a scope cannot tell how it ended"
    assert "--expand-environment=no" not in before, "systemd 252 does not know it"
    assert str(runtime["connection_file"]) in after
    variables = variables_of(runtime["pid"])
    assert variables.get("XDG_RUNTIME_DIR") == dir_of_client
    assert "INVOCATION_ID" not in variables


@pytest.mark.parametrize(("version", "is_told"), [(249, False), (252, True), (257, True)])
def test_an_older_systemd_is_not_told_what_it_does_not_know(
    behind_fake: Daemon, fake: FakeManager, version: int, is_told: bool
) -> None:
    fake.systemd_run(_EXEC, version=version)
    start(behind_fake)
    ((_, *words),) = fake.calls
    assert ("OOMPolicy=continue" in words) == is_told
    assert ("--expand-environment=no" in words) == (version >= 254)


def test_where_systemd_run_fails_the_kernel_starts_without_a_scope_and_says_so(
    behind_fake: Daemon, fake: FakeManager
) -> None:
    fake.systemd_run(_NO_SCOPE)
    runtime = start(behind_fake)
    assert runtime["status"] == "alive"
    assert runtime["scope"] is None
    (notice,) = [n for n in runtime["notices"] if "scope" in n]  # type: ignore[attr-defined]
    assert "no such luck" in notice
    assert len(fake.calls) == 1
    # A scope that can be had again is had again, and the notice goes.
    fake.systemd_run(_EXEC)
    ended = behind_fake.call("runtime.restart", runtime=runtime["id"])
    assert len(fake.calls) == 2
    assert not [n for n in ended["runtime"]["notices"] if "scope" in n]


def test_a_systemd_run_that_hangs_is_given_up(state: State, fake: FakeManager) -> None:
    fake.systemd_run("exec sleep 1000")
    daemon = Daemon(state, {**fake.env, "RUNTIMED_IPC_SILENCE_S": "1"}).start()
    try:
        runtime = start(daemon)
        assert runtime["status"] == "alive"
        assert any("scope" in notice for notice in runtime["notices"])  # type: ignore[attr-defined]
    finally:
        daemon.dispose()


def test_a_kernel_with_limits_is_not_started_without_a_scope(
    behind_fake: Daemon, fake: FakeManager
) -> None:
    fake.systemd_run(_NO_SCOPE)
    with pytest.raises(CallFailed) as caught:
        start(behind_fake, limits={"memory_bytes": 2**31})
    assert caught.value.name == "LimitsNotInForce"
    assert "no such luck" in str(caught.value)
    assert "--soft-limits" in str(caught.value)
    assert len(fake.calls) == 1
    assert "MemoryMax=2147483648" in fake.calls[0]


def test_a_kernel_that_escapes_its_limits_is_ended(behind_fake: Daemon, fake: FakeManager) -> None:
    fake.systemd_run(_EXEC)  # it answers, but its group is not to be seen
    with pytest.raises(CallFailed, match="control group"):
        start(behind_fake, limits={"tasks": 50})
    (runtime,) = behind_fake.call("runtime.list", all=True)
    assert runtime["status"] == "dead"


def test_a_missing_program_is_said_to_be_missing(behind_fake: Daemon, fake: FakeManager) -> None:
    fake.systemd_run(_EXEC)
    runtime = start(behind_fake)
    directory = behind_fake.state.home / ".local/share/jupyter/kernels/gone"
    directory.mkdir(parents=True)
    (directory / "kernel.json").write_text(
        '{"argv": ["/nowhere/kernel", "{connection_file}"], "display_name": "x", "language": "x"}'
    )
    with pytest.raises(CallFailed) as caught:
        env = {"HOME": str(behind_fake.state.home)}
        behind_fake.call("runtime.start", kernel_name="gone", env=env)
    assert caught.value.name == "KernelProgramMissing"
    assert len(fake.calls) == 1, runtime


def test_memory_runs_out_for_a_kernel_before_it_does_for_the_keeper(daemon: Daemon) -> None:
    runtime = start(daemon)
    keeper = daemon.call("daemon.status")["keeper_pid"]
    ours, theirs = (
        int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (keeper, runtime["pid"])
    )
    assert theirs == min(ours + 200, 1000)
