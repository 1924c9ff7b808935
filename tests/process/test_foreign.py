"""The harness itself: kernels and servers that somebody else started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from tests.harness.foreign import KERNELS, KernelNamed, foreign_kernel
from tests.harness.jupyter_server import JupyterServer, text

if TYPE_CHECKING:
    from tests.harness.daemon import State


@pytest.mark.parametrize("name", KERNELS)
def test_each_kernel_of_the_matrix_runs_with_its_owner_as_parent(state: State, name: str) -> None:
    with foreign_kernel(state, name) as kernel:
        assert kernel.connection_file.parent == state.root / "jr"
        kernel.client()
        assert psutil.Process(kernel.pid).ppid() == kernel.owner.pid
    assert not psutil.pid_exists(kernel.pid)
    assert not kernel.connection_file.exists()


def test_an_owner_restarts_its_kernel_behind_the_same_file(kernel_named: KernelNamed) -> None:
    kernel = kernel_named("python3")
    client = kernel.client()
    first, before = kernel.pid, kernel.connection_file.read_text()
    kernel.restart()
    assert kernel.pid != first
    assert kernel.connection_file.read_text() == before
    client.wait_for_ready(timeout=60)


def test_a_jupyter_server_runs_a_notebooks_code(jupyter_server: JupyterServer) -> None:
    session = jupyter_server.create_session("a notebook.ipynb")
    assert session.connection_file.exists()
    with jupyter_server.connect(session) as socket:
        assert text(socket.run("print(6 * 7)")) == "42\n"
        code = "print('begun', flush=True); import time; time.sleep(60)"
        parent = socket.execute(code, stop_on_error=False)
        socket.wait_for("stream", parent, text="begun\n")
    with jupyter_server.connect(session) as socket:
        jupyter_server.interrupt_kernel(session)
        assert text(socket.run("x = 1; print(x)")) == "1\n"
        jupyter_server.restart_kernel(session)
        (error,) = [m for m in socket.run("x") if m["header"]["msg_type"] == "error"]
        assert error["content"]["ename"] == "NameError"
    assert [kernel["id"] for kernel in jupyter_server.kernels()] == [session.kernel_id]
