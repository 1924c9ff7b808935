"""examples/notebook_app.py: its page, opened as a browser would, on a real daemon."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat import v4

from runtimed.client import connect
from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon, State

EXAMPLES = Path(__file__).parents[3] / "examples"
JSDOM = "jsdom@26.1.0"
PNG = "iVBORw0KGgo="
DISPLAY = f"from IPython.display import display; display({{'image/png': '{PNG}'}}, raw=True)"


class App:
    """The program, and the address that it prints."""

    def __init__(self, state: State, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "notebook_app.py"), str(path)],
            env=state.env,
            cwd=state.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        host, _, self.root = self.url.removeprefix("http://").partition("/")
        self.connection = http.client.HTTPConnection(host, timeout=60)

    def post(self, method: str, **params: Any) -> tuple[int, str]:
        self.connection.request("POST", f"/{self.root}{method}", json.dumps(params))
        answer = self.connection.getresponse()
        status, text = answer.status, answer.read().decode()
        self.connection.close()
        return status, text

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()


class Page:
    """The page in jsdom; see page.mjs."""

    def __init__(self, directory: Path, url: str) -> None:
        script = directory / "page.mjs"
        script.write_text((Path(__file__).parent / "page.mjs").read_text())
        self._process = subprocess.Popen(
            ["node", str(script), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _say(self, *words: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def type(self, cell: int, text: str) -> None:
        self._say("type", cell, text)

    def click(self, selector: str) -> None:
        self._say("click", selector)

    def until(self, text: str) -> Any:
        """Return what it shows, once that has the text."""
        return self._say("until", text)

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def jsdom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("jsdom")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", JSDOM]
    subprocess.run(install, cwd=directory, check=True, timeout=110)
    return directory


@pytest.fixture
def file(state: State) -> Path:
    path = state.project / "n.ipynb"
    cells = [v4.new_code_cell("1 + 1"), v4.new_markdown_cell("# Text")]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


@pytest.fixture
def app(state: State, daemon: Daemon, file: Path) -> Iterator[App]:
    app = App(state, file)
    try:
        yield app
    finally:
        app.close()


def test_a_notebook_in_two_windows(state: State, app: App, jsdom: Path) -> None:
    page, other = Page(jsdom, app.url), Page(jsdom, app.url)
    try:
        assert [cell["src"] for cell in page.until("# Text")["cells"]] == ["1 + 1", "# Text"]
        page.type(0, "print('first', flush=True); input()")
        assert page.until('["first')["cells"][0]["button"] == "interrupt"  # it has not ended
        assert other.until('["first')["cells"][0]["src"].startswith("print")
        with connect(str(state.socket), start=False) as client:
            asking = until(
                lambda: next(client.history(status=["waiting_input"]), None), "a question"
            )
            asking.reply("last")
        assert page.until("'last'")["cells"][0]["outputs"] == ["first\n", "'last'"]
        page.type(0, f"{DISPLAY}; '<b>'")
        shown = other.until('["data:image')["cells"][0]
        assert shown["outputs"] == [f"data:image/png;base64,{PNG}", "'<b>'"]
        page.click("#add")
        for each in (other, page):  # the document tells both, in any order
            assert len(each.until('"src":""')["cells"]) == 3
        page.type(2, "while True: pass")
        other.until("interrupt")
        other.click("section:nth-child(3) button")
        page.until("KeyboardInterrupt")
        assert page.until("!interrupt")["cells"][2]["button"] == "delete"
    finally:
        page.close()
        other.close()


def test_who_was_slower_is_told(app: App, file: Path) -> None:
    status, text = app.post("notebook.open", path=str(file))
    assert status == 200
    cell = json.loads(text)["cells"][0]
    edit = {"cell": cell["id"], "if_match": cell["etag"]}
    assert app.post("cell.edit", src="2", **edit)[0] == 200
    status, text = app.post("cell.edit", src="3", **edit)
    assert (status, cell["id"][-8:].lower() in text) == (412, True)
    assert app.post("notebook.save", notebook=cell["notebook"])[0] == 200
    assert nbformat.read(file, as_version=4).cells[0].source == "2"


def test_without_its_secret_it_does_nothing(app: App) -> None:
    for verb in ("GET", "POST"):
        for target in ("/", "/events", "/notebook.list", "notebook.list"):
            app.connection.request(verb, target, "{}")
            answer = app.connection.getresponse()
            assert answer.status in (400, 404)
            assert len(answer.read()) < 20
            app.connection.close()


def test_what_is_no_call_is_answered(app: App) -> None:
    assert app.post("no.such_method")[0] == 400
    assert app.post("notebook.get", notebook=5)[0] == 400
    app.connection.request("GET", f"/{app.root}nothing")
    answer = app.connection.getresponse()
    answer.read()
    assert answer.status == 404
