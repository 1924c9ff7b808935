"""``runt export``: a session as a notebook that others open, as a script, as text."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_server.services.contents.filemanager import FileContentsManager

from tests.harness.curl import curl
from tests.process.daemon.adoption.waiting import execution
from tests.process.daemon.story import final, text

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

IMAGE = "iVBORw0KGgo" + "A" * 400_000
CODES = (
    "from IPython.display import clear_output, display\nprint('héllo'); 6 * 7",
    "print('gone'); clear_output(); print('kept')",
    f"display({{'image/png': {IMAGE[:11]!r} + 'A' * 400_000, 'text/plain': 'p'}}, raw=True)",
    "name = input('who? ')",
    "1/0",
    "print('x' * 300_000)",
)


@pytest.fixture(scope="module")
def session(daemon: Daemon) -> list[Any]:
    """What ran in the runtime `lab`: ours, and last another client's."""
    runtime = daemon.call("runtime.start", kernel_name="python3", name="lab")
    ran = []
    for code in CODES:
        stdin = "me\n" if "input(" in code else None
        submitted = daemon.call("execution.submit", runtime="lab", code=code, stdin=stdin)
        ran.append(final(daemon, submitted["id"]))
    client = BlockingKernelClient(connection_file=runtime["connection_file"])
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=30)
    client.execute("print('theirs')", reply=True, timeout=30)
    client.stop_channels()
    return [*ran, execution(daemon, runtime, "print('theirs')", "done")]


def exported(runt: Runt, *arguments: str) -> Any:
    """Export as a notebook, and have nbformat look at it."""
    done = runt("export", "lab", *arguments)
    assert done.returncode == 0, done.stderr
    notebook = nbformat.reads(done.stdout, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return notebook


def sources(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells]


def test_each_execution_is_a_cell_with_all_that_it_showed(session: list[Any], runt: Runt) -> None:
    notebook = exported(runt, "--notebook")
    assert sources(notebook) == [*CODES, "print('theirs')"]
    first, cleared, image, _, failed, long, theirs = notebook.cells
    assert [o.get("text") or o.data["text/plain"] for o in first.outputs] == ["héllo\n", "42"]
    assert [o.text for o in cleared.outputs] == ["kept\n"]
    assert image.outputs[0].data["image/png"] == IMAGE  # a blob, in the store
    assert failed.outputs[0].ename == "ZeroDivisionError"
    assert long.outputs[0].text == "x" * 300_000 + "\n"
    assert theirs.outputs[0].text == "theirs\n"
    for cell, ran in zip(notebook.cells, session, strict=True):
        assert cell.execution_count == ran["execution_count"]
        times = cell.metadata.execution
        assert times["iopub.execute_input"] == ran["execution_started"]
        assert times["shell.execute_reply"] == ran["execution_end"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info.name == "python"


def test_only_some_of_it(session: list[Any], runt: Runt) -> None:
    good = [code for code in CODES if code != "1/0"]
    assert sources(exported(runt, "--only", "ok", "--mine")) == good
    assert sources(exported(runt, "--foreign")) == ["print('theirs')"]
    middle = session[3]["queued_at"]
    assert sources(exported(runt, "--since", middle)) == [*CODES[3:], "print('theirs')"]
    assert sources(exported(runt, "--until", middle)) == [*CODES[:3]]
    assert runt("export", "lab", "--since", "soon").returncode == 2
    assert runt("export", "nobody").returncode == 3


def test_as_script_and_text(session: list[Any], runt: Runt) -> None:
    script = runt("export", "lab", "--py").stdout
    cells = [cell.strip() for cell in script.split("# %%\n")[1:]]
    assert cells == [*CODES, "print('theirs')"]
    markdown = runt("export", "lab", "--md").stdout
    assert f"```python\n{CODES[1]}\n```\n\n```\nkept\n```\n" in markdown
    assert f"![image/png](data:image/png;base64,{IMAGE})" in markdown
    assert "ZeroDivisionError: division by zero" in markdown
    assert "\x1b" not in markdown


def test_as_a_web_page_where_nbconvert_is(session: list[Any], runt: Runt, state: State) -> None:
    page = runt("export", "lab", "--html").stdout
    assert page.startswith("<!DOCTYPE html>")
    assert "héllo" in page
    (state.project / "nbconvert.py").write_text("raise ImportError")
    without = runt("export", "lab", "--html", env={"PYTHONPATH": str(state.project)})
    (state.project / "nbconvert.py").unlink()
    assert (without.returncode, without.stdout) == (1, "")
    assert "pip install 'runtimed-daemon[export]'" in without.stderr


def test_over_http(session: list[Any], state: State) -> None:
    head, body = curl(state, "/v0/runtimes/lab/export?format=md&status=error").stdout.split(
        "\n\n", 1
    )
    assert head.startswith("HTTP/1.1 200")
    document = json.loads(body)
    assert (document["name"], "1/0" in document["text"]) == ("lab.md", True)
    assert curl(state, "/v0/runtimes/lab/export?format=pdf").stdout.startswith("HTTP/1.1 400")


def test_files(session: list[Any], runt: Runt, state: State) -> None:
    wrote = runt("export", "lab", "-o", "s.ipynb")
    assert (wrote.returncode, wrote.stderr) == (0, "wrote s.ipynb\n")
    before = (state.project / "s.ipynb").read_bytes()
    refused = runt("export", "lab", "--only", "ok", "-o", "s.ipynb")
    assert (refused.returncode, "--force" in refused.stderr) == (4, True)
    assert (state.project / "s.ipynb").read_bytes() == before
    assert runt("export", "lab", "--only", "ok", "-o", "s.ipynb", "--force").returncode == 0
    assert (state.project / "s.ipynb").read_bytes() != before
    assert runt("export", "lab", "-o", "s.md").returncode == 0  # the name says what it is
    assert (state.project / "s.md").read_text().startswith("```python\n")
    assert runt("export", "lab", "-o", ".", "--py").stderr == "wrote lab.py\n"
    assert runt("export", "lab", "-o", "-").stdout.startswith("{")
    assert {path.name for path in state.project.iterdir()} >= {"s.ipynb", "s.md", "lab.py"}
    assert not [path for path in state.project.iterdir() if path.name.startswith(".")]
    document = json.loads(runt("export", "lab", "--py", "--json").stdout)["export"]
    assert (document["format"], document["name"]) == ("py", "lab.py")


def test_jupyter_opens_and_runs_it(session: list[Any], runt: Runt, state: State) -> None:
    runt(
        "export",
        "lab",
        "--mine",
        "--only",
        "ok",
        "--until",
        session[3]["queued_at"],
        "-o",
        "j.ipynb",
    )
    contents = FileContentsManager(root_dir=str(state.project))
    opened = contents.get("j.ipynb", type="notebook")  # type: ignore[no-untyped-call]
    assert opened.get("message") is None  # where it is not valid
    assert len(opened["content"]["cells"]) == 3
    converter = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--stdout"]
    executed = subprocess.run(
        [*converter, "j.ipynb"], cwd=state.project, env=state.env, capture_output=True, timeout=100
    )
    assert executed.returncode == 0, executed.stderr
    again = nbformat.reads(executed.stdout.decode(), as_version=4)
    assert again.cells[1].outputs[0].text == "kept\n"


def test_dead_and_removed(session: list[Any], runt: Runt, daemon: Daemon) -> None:
    """The last test of the module: the runtime is gone afterwards."""
    living = runt("export", "lab").stdout
    assert runt("stop", "lab").returncode == 0
    assert runt("export", "lab").stdout == living
    id = session[0]["runtime"]["id"]
    assert runt("rm", id).returncode == 0
    assert runt("export", id).stdout == living
    assert daemon.call("runtime.export", runtime=id, format="md")["name"] == "lab.md"
    assert text(session[0]) == "héllo\n"
