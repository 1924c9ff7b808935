"""Kernels without a Jupyter server: which program has started them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runtimed.kernels import identity, owners

if TYPE_CHECKING:
    from tests.harness.foreign import KernelNamed


def test_a_program_that_has_started_a_kernel(kernel_named: KernelNamed) -> None:
    kernel = kernel_named("python3")
    found = identity.process(kernel.pid)
    assert owners.owner_of(str(kernel.connection_file), found, []) == {
        "kind": "process",
        "url": None,
        "path": None,
        "pid": kernel.owner.pid,
        "name": "tests.harness.kernel_owner",
    }
    assert owners.owner_of(str(kernel.connection_file), None, []) is None


#: A Python that starts another, which says its pid, and both wait for the end of stdin.
WRAPPER = """
import subprocess, sys
below = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
subprocess.run([sys.executable, "-c", below])
"""


@pytest.mark.parametrize("parent", ["the wrapper's", "init", "nobody"])
def test_a_wrapper_is_not_the_owner(parent: str) -> None:
    """As with conda run: JPY_PARENT_PID says who is, if that one is above at all."""
    said = {"the wrapper's": os.getpid(), "init": 1, "nobody": 2**22 + 1}[parent]
    with subprocess.Popen(
        [sys.executable, "-c", WRAPPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "JPY_PARENT_PID": str(said), "JPY_SESSION_NAME": "/n/a.ipynb"},
        text=True,
    ) as wrapper:
        assert wrapper.stdout is not None
        kernel = identity.process(int(wrapper.stdout.readline()))
        owner = owners.owner_of("kernel-1.json", kernel, [])
        wrapper.communicate()
    assert owner is not None
    assert owner["pid"] == (os.getpid() if parent == "the wrapper's" else wrapper.pid)
    assert owner["path"] == "/n/a.ipynb"


def test_an_orphan_has_no_owner() -> None:
    orphan = identity.Process(
        pid=os.getpid(),
        start_time=1,
        boot_id="",
        argv=(),
        cwd=None,
        ppid=1,
        session_name=None,
        parent_pid=None,
    )
    assert owners.owner_of("kernel-1.json", orphan, []) is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("/usr/bin/python3.11 /home/ada/.venv/bin/jupyter-lab --port 1", "jupyter-lab"),
        ("python -m jupyter_server --no-browser", "jupyter_server"),
        ("python3 -I -X dev -W error -m runtimed keeper", "runtimed"),
        ("python3 -u /srv/app.py", "app.py"),
        ("python3 -c pass", "python3"),
        ("python3", "python3"),
        ("-bash", "bash"),
        ("/usr/share/code/code --type=utility", "code"),
        ("", ""),
    ],
)
def test_what_a_program_is_called(line: str, name: str) -> None:
    assert owners.program_of(line.split()) == name
