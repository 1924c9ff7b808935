"""A kernel that our daemon holds behaves as it does by itself: 27 checks on 5 kernels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.daemon import Daemon
from tests.harness.foreign import KERNELS, foreign_kernel, kernel_environment
from tests.kernels.checks import BESIDE, PASS, THROUGH, verdict
from tests.kernels.direct import DirectClient
from tests.kernels.held import HeldClient
from tests.kernels.snippets import SNIPPETS
from tests.process.daemon.adoption.waiting import adopted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import State
    from tests.harness.foreign import KernelNamed
    from tests.kernels.snippets import Snippets

Verdicts = dict[str, str]

#: A SIGINT ends these: it is not sent, and the API refuses it.
DIE_OF_SIGINT = ("deno", "xpython")


def directly(state: State, name: str) -> Verdicts:
    """Judge a kernel that jupyter_client has started, by its connection file."""
    with foreign_kernel(state, name) as kernel:
        code = SNIPPETS[name]
        interrupt = None if name in DIE_OF_SIGINT else kernel.interrupt
        client = DirectClient(kernel.connection_file, kernel.pid, code.settle, interrupt)
        try:
            return {c.__name__: verdict(c, client, code) for c in (*BESIDE, *THROUGH)}
        finally:
            client.close()


def held(daemon: Daemon, runtime: Any, code: Snippets) -> Verdicts:
    """Judge a runtime of the daemon's: through its API, and beside it what that does not have."""
    beside = DirectClient(Path(runtime["connection_file"]), runtime["pid"], code.settle)
    try:
        verdicts = {c.__name__: verdict(c, beside, code) for c in BESIDE}
    finally:
        beside.close()
    through = HeldClient(daemon, runtime["id"], code.settle)
    return verdicts | {c.__name__: verdict(c, through, code) for c in THROUGH}


@pytest.fixture
def daemon(state: State) -> Iterator[Daemon]:
    """A daemon that the test starts itself: the kernel that is alone must be nobody else's."""
    daemon = Daemon(state)
    try:
        yield daemon
    finally:
        daemon.dispose()


@pytest.mark.parametrize("name", KERNELS)
def test_a_held_kernel_behaves_as_it_does_by_itself(
    state: State, daemon: Daemon, kernel_named: KernelNamed, name: str
) -> None:
    columns = {"alone": directly(state, name)}
    daemon.start()
    env, cwd = kernel_environment(state), str(state.project)
    launched = daemon.call("runtime.start", kernel_name=name, env=env, cwd=cwd)
    columns["launched"] = held(daemon, launched, SNIPPETS[name])
    columns["adopted"] = held(
        daemon, adopted(daemon, kernel_named(name).connection_file), SNIPPETS[name]
    )
    shown = table(columns)
    assert columns["launched"] == columns["alone"], shown
    assert columns["adopted"] == columns["alone"], shown
    if name == "python3":
        assert set(columns["alone"].values()) == {PASS}, shown


def table(columns: dict[str, Verdicts]) -> str:
    """Show the verdicts side by side; a row where they differ is marked."""
    rows = [f"  {'check':34}{''.join(f'{name:18}' for name in columns)}"]
    for check in columns["alone"]:
        verdicts = [column[check] for column in columns.values()]
        mark = "  " if len(set(verdicts)) == 1 else "≠ "
        rows.append(f"{mark}{check:34}{''.join(f'{verdict:18}' for verdict in verdicts)}")
    return "\n".join(rows)
