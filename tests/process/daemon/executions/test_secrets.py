"""The environment of whoever starts a runtime: the code sees it, and nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.executions.conftest import Repl
from tests.process.daemon.story import WAIT_S, files_that_name, text

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon

SECRET = "s3cr3t-of-the-caller-0123456789"
LOOK = "import os; s = os.environ['TOKEN']; print(len(s), 'read' + s[:4])"
SEEN = f"{len(SECRET)} read{SECRET[:4]}\n"


def test_environment_of_a_start(daemon: Daemon) -> None:
    env = {**daemon.state.env, "TOKEN": SECRET}
    repl = Repl(daemon, daemon.call("runtime.start", kernel_name="python3", env=env)["id"])
    assert text(repl.eval(LOOK)) == SEEN
    daemon.call("runtime.restart", runtime=repl.id)
    assert text(repl.eval(LOOK)) == SEEN
    shown = [daemon.call(method) for method in ("runtime.list", "daemon.status")]
    shown += [repl.daemon.call("runtime.logs", runtime=repl.id)]
    assert SECRET not in repr(shown)
    check_nowhere(daemon)
    daemon.stop()
    check_nowhere(daemon)
    daemon.start()
    daemon.call("runtime.restart", runtime=repl.id)
    assert text(repl.eval(LOOK)) == SEEN
    check_nowhere(daemon)


def test_environment_of_an_evaluation_in_a_project(daemon: Daemon) -> None:
    found: Any = daemon.call(
        "execution.eval",
        project=str(daemon.state.project),
        env={**daemon.state.env, "TOKEN": SECRET},
        code=LOOK,
        wait_s=WAIT_S,
    )
    assert text(found) == SEEN
    check_nowhere(daemon)


def test_environment_of_a_start_that_fails(daemon: Daemon) -> None:
    kernels = daemon.state.home / ".local/share/jupyter/kernels/broken"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(
        '{"argv": ["sh", "-c", "exit 3"], "display_name": "b", "language": "b"}'
    )
    with pytest.raises(CallFailed) as failed:
        daemon.call(
            "runtime.start", kernel_name="broken", env={**daemon.state.env, "TOKEN": SECRET}
        )
    assert failed.value.name == "KernelDidNotStart"
    assert SECRET not in repr(vars(failed.value))
    check_nowhere(daemon)


def check_nowhere(daemon: Daemon) -> None:
    assert files_that_name(daemon.state.dir, f"read{SECRET[:4]}"), "the search finds what is there"
    assert not files_that_name(daemon.state.root, SECRET)
