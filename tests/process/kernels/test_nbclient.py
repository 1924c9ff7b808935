"""nbclient and jupyter_client, as they are, on kernels that we hold: by connection file.

nbclient's own test notebooks give what they give with a kernel of nbclient's, and our record has
every execution, as a foreign one, with the same outputs.
"""

from __future__ import annotations

import asyncio
import copy
import re
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import canonicalize

import nbformat
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from runtimed.model.text import without_ansi
from tests.harness import shared
from tests.harness.foreign import foreign_kernel, kernel_environment
from tests.process.daemon.adoption.waiting import adopted, until
from tests.process.daemon.story import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon, State

FILES = Path(__file__).parents[2] / "data" / "nbclient"
NOTEBOOKS = sorted(path.name for path in FILES.glob("*.ipynb"))
#: As nbclient's own tests have it.
OPTIONS: dict[str, dict[str, Any]] = {
    "Error.ipynb": {"allow_errors": True},
    "Skip Exceptions.ipynb": {"allow_errors": True},
}
#: Before each notebook: as in a new kernel, in the directory of the pictures.
BEGIN = f"""
import os
os.chdir({str(FILES)!r})
get_ipython().reset(new_session=True)
"""


class HeldKernel(AsyncKernelManager):
    """A manager of a kernel that somebody else has started: it only makes clients of it."""

    @property
    def has_kernel(self) -> bool:
        return True


state, daemon = shared.state, shared.daemon


@pytest.fixture(scope="module", params=["launched, over ipc", "adopted, over tcp"])
def held(request: pytest.FixtureRequest, state: State, daemon: Daemon) -> Iterator[Any]:
    """A runtime that we hold."""
    if request.param == "launched, over ipc":
        runtime = daemon.call("runtime.start", kernel_name="python3")
        assert runtime["transport"] == "ipc"
        yield runtime
        return
    with foreign_kernel(state, "python3") as kernel:
        runtime = adopted(daemon, kernel.connection_file, "alive")
        assert runtime["transport"] == "tcp"
        yield runtime


async def run(notebook: Any, connection_file: str, options: dict[str, Any]) -> str:
    """Execute a notebook as nbclient does; return the client's session."""
    manager = HeldKernel(connection_file=connection_file, owns_kernel=False)
    manager.load_connection_file()
    client = NotebookClient(notebook, km=manager, coalesce_streams=True, **options)
    kernel = manager.client()
    kernel.start_channels()
    try:
        await kernel.wait_for_ready(timeout=WAIT_S)
        await kernel.execute_interactive(BEGIN, silent=True, timeout=WAIT_S)
        kernel.allow_stdin = False
        client.kc = kernel
        await client.async_execute()
        return str(kernel.session.session)
    finally:
        kernel.stop_channels()
        manager.context.term()


def record(daemon: Daemon, runtime: Any, session: str) -> list[Any]:
    """Return what was recorded of a session, oldest first, with outputs."""
    listed = daemon.call("execution.list", runtime=runtime["id"], limit=1000)
    mine = [each["id"] for each in reversed(listed) if each["requested_by"]["session"] == session]
    return [daemon.call("execution.get", execution=each) for each in mine]


def cells_that_ran(notebook: Any) -> list[Any]:
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code"
        and cell.source.strip()
        and "skip-execution" not in cell.metadata.get("tags", ())
    ]


def comparable(output: Any) -> dict[str, Any]:
    """Return an output less what depends on IPython's version, and on the time."""
    data = dict(output.get("data") or {})
    if picture := data.get("image/svg+xml"):
        data["image/svg+xml"] = canonicalize(picture, strip_text=True)
    if picture := data.get("image/png"):
        data["image/png"] = b64decode(picture)
    return {
        "type": output["output_type"],
        "text": (output.get("name"), output.get("text")),
        "data": {mime: re.sub(r"0x[0-9a-f]+", "0x", str(value)) for mime, value in data.items()},
        "error": (output.get("ename"), without_ansi(output.get("evalue") or "")),
    }


def outputs(cells: list[Any]) -> list[Any]:
    return [[comparable(output) for output in cell["outputs"]] for cell in cells]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_of_nbclients(daemon: Daemon, held: Any, name: str) -> None:
    published = nbformat.read(FILES / name, as_version=4)
    notebook = copy.deepcopy(published)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    session = asyncio.run(run(notebook, held["connection_file"], OPTIONS.get(name, {})))
    ran = cells_that_ran(notebook)
    assert outputs(ran) == outputs(cells_that_ran(published))

    def is_recorded() -> bool:
        found = record(daemon, held, session)
        return len(found) == len(ran) and all(each["execution_end"] for each in found)

    until(is_recorded, "the record of all of it")
    found = record(daemon, held, session)
    assert [each["code"] for each in found] == [cell.source for cell in ran]
    assert [each["execution_count"] for each in found] == [cell.execution_count for cell in ran]
    assert {each["requested_by"]["client"] for each in found} == {"foreign"}
    assert outputs(found) == outputs(ran)


def test_the_blocking_client(daemon: Daemon, held: Any) -> None:
    client = BlockingKernelClient(connection_file=held["connection_file"])
    client.load_connection_file()
    client.start_channels()
    printed: list[str] = []
    try:
        client.wait_for_ready(timeout=WAIT_S)
        assert client.is_alive()
        done = client.execute_interactive(
            "name = input('who? '); print('I am', name)",
            timeout=WAIT_S,
            stdin_hook=lambda message: client.input("held"),
            output_hook=lambda message: printed.append(message["content"].get("text", "")),
        )
        assert done["content"]["status"] == "ok"
        assert "".join(printed) == "I am held\n"
        completed = client.complete("nam", reply=True, timeout=WAIT_S)["content"]
        assert "name" in completed["matches"]
        assert client.inspect("name", reply=True, timeout=WAIT_S)["content"]["found"]
        tail = client.history(hist_access_type="tail", n=1, reply=True, timeout=WAIT_S)
        assert "input('who? ')" in tail["content"]["history"][-1][2]
    finally:
        client.stop_channels()


async def test_the_client_for_asyncio(held: Any) -> None:
    client = AsyncKernelClient(connection_file=held["connection_file"])
    client.load_connection_file()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=WAIT_S)
        reply = await client.execute("", user_expressions={"six": "2 * 3"}, reply=True)
        assert reply["content"]["user_expressions"]["six"]["data"]["text/plain"] == "6"
    finally:
        client.stop_channels()


def test_jupyter_run_with_an_existing_kernel(
    state: State, daemon: Daemon, held: Any, tmp_path: Path
) -> None:
    """``jupyter run --existing``, jupyter_client's own program; it leaves the kernel running."""
    script = tmp_path / "script.py"
    script.write_text("import os\nprint('runs in', os.getpid())\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "jupyter_client.runapp"),
            *("--existing", held["connection_file"], str(script)),
        ],
        env=kernel_environment(state),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert f"runs in {held['pid']}" in done.stdout, done.stderr
    now = daemon.call("runtime.get", runtime=held["id"])
    assert (now["status"], now["pid"]) == ("alive", held["pid"])
    until(
        lambda: (
            daemon.call("execution.list", runtime=held["id"], limit=1)[0]["code"]
            == script.read_text()
        ),
        "the record of it",
    )
