"""`runt` as an agent without MCP uses it: text that fits, exit codes, images, what to do next.

One daemon and its project's kernel for the module.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from runt.agents_page import PAGE
from tests.harness import daemon as harness
from tests.harness.shell import SHORT_ID, popen, shell
from tests.process.daemon.story import wait_for_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

SHOW = "from IPython.display import display\n"
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAAEklEQVR4nGNg+M8ARAwQCkIDAB7hAv4aKkC6"
    "AAAAAElFTkSuQmCC"
)
PLOT = SHOW + f"display({{'image/png': '{PNG}', 'text/plain': '<Figure>'}}, raw=True)"


@pytest.fixture(scope="module")
def state() -> Iterator[State]:
    state = harness.State.create()
    try:
        yield state
    finally:
        state.dispose()


@pytest.fixture(scope="module")
def daemon(state: State) -> Iterator[Daemon]:
    daemon = harness.Daemon(state).start()
    try:
        harness.runt(state, "eval", "1")
        yield daemon
    finally:
        daemon.dispose()


@pytest.fixture
def runt(state: State, daemon: Daemon) -> Runt:
    return functools.partial(harness.runt, state)


def test_what_is_printed_fits_and_says_how_to_get_the_rest(runt: Runt) -> None:
    done = runt("eval", "--max-chars", "400", "for i in range(5000): print('line', i)")
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout.removesuffix("\n")
    assert len(text) <= 400
    assert text.startswith("line 0\n")
    assert "line 4999" in text
    id = re.search(f"runt output ({SHORT_ID})", text)[1]  # type: ignore[index]
    assert runt("output", id, "--grep", "4321").stdout == "line 4321\n"
    assert len(runt("output", id).stdout.splitlines()) == 5000


def test_bars_are_their_last_state_and_nothing_has_colours(runt: Runt) -> None:
    code = "for i in range(101): print(f'\\r{i} %', end='')\nprint('\\n\\x1b[1mdone\\x1b[0m')"
    assert runt("eval", "--format", "text", code).stdout == "100 %\ndone\n"


def test_an_exception_is_in_the_text(runt: Runt) -> None:
    done = runt("eval", "--max-chars", "1000", "print('before')\n{}['key']")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("before\n")
    assert "KeyError: 'key'" in done.stdout
    assert runt("eval", "--max-chars", "300", "import sys; sys.exit(0)").returncode == 0
    assert runt("eval", "--max-chars", "300", "import sys; sys.exit(3)").returncode == 1
    assert runt("eval", "--max-chars", "300", "silent = 1").stdout == "no output\n"


def test_a_run_that_takes_longer_goes_on_and_is_fetched(runt: Runt, state: State) -> None:
    go = state.project / "go"
    code = f"import os\nprint('a')\nwhile not os.path.exists({str(go)!r}): pass\nprint('b')"
    done = runt("eval", "--max-chars", "300", "--wait", "0.5", code)
    assert done.returncode == 124
    assert done.stdout in ("a\n", "no output\n")  # as far as it has come
    id, command = re.match(f"({SHORT_ID}) still .*?; `runt (.*?)` waits", done.stderr).groups()  # type: ignore[union-attr]
    early = runt("output", id, "--max-chars", "300", "--wait", "0.01")
    assert (early.returncode, f"{id} is running; " in early.stderr) == (124, True)
    go.touch()
    late = runt(*shlex.split(command))
    assert (late.returncode, late.stdout, late.stderr) == (0, "a\nb\n", "")


def test_input_is_answered_from_elsewhere(runt: Runt, daemon: Daemon) -> None:
    ask = "name = input('who? ')\nprint('hello', name)"
    done = runt("eval", "--no-stdin", "--wait", "0.5", "--max-chars", "300", ask)
    assert done.returncode == 124
    id = re.findall(f"^({SHORT_ID}) still", done.stderr, re.MULTILINE)[0]
    wait_for_status(daemon, id, "waiting_input")
    asked = runt("output", id, "--max-chars", "300")
    assert asked.stderr == (
        f"runt: {id} waits for input ('who? '); `runt reply {id} TEXT` answers it\n"
    )
    assert runt("reply", id, "me").returncode == 0
    assert runt("output", id, "--wait", "60", "--max-chars", "300").stdout.endswith("hello me\n")


def test_images_are_files_and_named_in_the_text(runt: Runt, state: State) -> None:
    done = runt("eval", "--max-chars", "300", "--save-images", "plots", PLOT)
    assert PNG not in done.stdout
    assert "image 1: PNG 2×3" in done.stdout
    (file,) = (state.project / "plots").iterdir()
    assert re.fullmatch(f"{SHORT_ID}-1.png", file.name)
    assert done.stderr == f"saved plots/{file.name}\n"
    assert file.read_bytes().startswith(b"\x89PNG")
    later = runt("output", file.name[:8], "--save-images", "plots")
    assert (later.stdout, later.stderr) == ("<Figure>\n", f"saved plots/{file.name}\n")


def test_images_that_cannot_be_saved_do_not_take_the_text(runt: Runt, state: State) -> None:
    (state.project / "notadir").write_text("")
    code = f"print('charged the card')\n{PLOT}"
    done = runt("eval", "--max-chars", "300", "--save-images", "notadir", code)
    assert done.stdout.startswith("charged the card\n")
    assert re.search(f"the outputs are kept: `runt output {SHORT_ID} --save", done.stderr)
    assert done.returncode == 7  # not 1, the code's own


def test_json_is_told_though_its_images_cannot_be_saved(runt: Runt, state: State) -> None:
    (state.project / "nodir").write_text("")
    save = ("--json", "--max-chars", "300", "--save-images", "nodir")
    done = runt("eval", *save, f"print('charged')\n{PLOT}")
    assert (done.returncode, "the outputs are kept" in done.stderr) == (7, True)
    assert json.loads(done.stdout)["rendered"]["text"].startswith("charged\n")
    asks = f"{PLOT}\ninput()"
    for more in (("--max-chars", "300"), ("--max-chars", "300", "--json"), ()):
        arguments = ("--no-stdin", "--wait", "1", "--save-images", "nodir", *more)
        late = runt("eval", *arguments, asks)
        id = re.findall(f"^({SHORT_ID}) still ", late.stderr, re.MULTILINE)[0]
        runt("reply", id, "x")
        assert (late.returncode, "cannot save images in nodir" in late.stderr) == (124, True)


def test_lines_that_fit(runt: Runt, state: State) -> None:
    code = (
        f"{PLOT}\nfor n in range(5): print(f'\\x1b[1A\\x1b[2Kerror {{n}}')\n"
        "print('loss=0.5\\rloss=0.4\\rfinished')"
    )
    id = json.loads(runt("eval", "--json", "--max-chars", "300", code).stdout)["execution"]["id"]
    fits = functools.partial(runt, "output", id, "--max-chars", "300")
    assert fits("--grep", "error").stdout.splitlines() == [f"error {n}" for n in range(5)]
    assert fits("--grep", "loss=0.5").stdout == "loss=0.5\n"
    refused = fits("--grep", "(")
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    tail = fits("--tail", "1", "--save-images", "some")
    assert (tail.stdout, tail.stderr.startswith("saved some/")) == ("finished\n", True)
    document = fits("--tail", "1", "--save-images", "some", "--json")
    assert json.loads(document.stdout)["output"]["lines"] == ["finished"]


def test_some_lines_of_what_goes_on_say_so(runt: Runt, daemon: Daemon) -> None:
    first = runt("submit", "print('loss 1', flush=True); input()").stdout.strip()
    wait_for_status(daemon, first, "waiting_input")
    second = runt("submit", "2").stdout.strip()
    some = ("--wait", "0.1", "--grep", "loss", "--max-chars", "300")
    early = runt("output", first, *some)
    assert (early.returncode, early.stdout) == (124, "loss 1\n")
    assert f"{first} waits for input; `runt reply {first} TEXT` answers it" in early.stderr
    queued = runt("output", second, *some)
    assert (queued.returncode, queued.stdout) == (124, "")
    assert f"{second} is queued behind {first}, which waits for input; " in queued.stderr
    runt("reply", first, "x")


def test_markdown_json_and_html(runt: Runt) -> None:
    markdown = runt("eval", "--format", "markdown", "print('```')")
    assert markdown.stdout == "````\n```\n````\n"
    document = json.loads(runt("eval", "--format", "json", "print(1); 2").stdout)["execution"]
    assert [output["output_type"] for output in document["outputs"]] == ["stream", "execute_result"]
    id = document["id"]
    page = runt("output", id, "--format", "html").stdout
    assert page == '<pre title="stdout">1\n</pre><pre title="result">2</pre>\n'
    image = runt("eval", "--format", "html", PLOT).stdout
    assert image == f'<img src="data:image/png;base64,{PNG}">\n'
    shown = runt("show", id, "--format", "markdown").stdout
    assert "```\nprint(1); 2\n```" in shown
    assert shown.endswith("```\n2\n```\n")
    assert len(runt("show", id, "--max-chars", "200").stdout) <= 201


def test_json_is_told_line_by_line_while_it_runs(runt: Runt, state: State) -> None:
    code = "print(1, flush=True)\ninput()\n2"
    told = []
    with popen(state, "eval", "--no-stdin", "--json", code) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(json.loads(line))
            # It is answered because it was seen to ask: the events come before the end.
            if told[-1].get("event", {}).get("type") == "input":
                runt("reply", told[-1]["event"]["execution"], "x")
        assert process.wait(60) == 0
    *events, last = told
    assert last["execution"]["status"] == "done"
    assert {one["event"]["type"] for one in events} == {"execution", "input", "output"}
    assert all(one["schema"] == 1 for one in told)


def test_json_with_a_budget_is_one_small_document(runt: Runt) -> None:
    done = runt("eval", "--json", "--max-chars", "300", f"print('x' * 100_000)\n{PLOT}")
    assert len(done.stdout) < 3000
    (line,) = done.stdout.splitlines()
    document = json.loads(line)
    assert document["execution"]["outputs"] is None
    assert len(document["rendered"]["text"]) <= 300
    (image,) = document["rendered"]["images"]
    assert (image["width"], image["height"], "data" in image) == (2, 3, False)


COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("  runt ")]


def test_the_page_for_agents_is_short_and_says_what_runs(
    runt: Runt, daemon: Daemon, state: State
) -> None:
    """Every command of it, in its order; what stands for something else is replaced by that."""
    printed = runt("help", "agents").stdout
    assert printed == PAGE.rstrip("\n") + "\n"
    assert len(printed.splitlines()) <= 60
    assert len(COMMANDS) >= 10
    (state.project / "file.py").write_text("import sys\nprint(sys.argv)\nprint('loss 1')\n")
    id = runt("submit", "'finished'").stdout.strip()
    for command in COMMANDS:
        if command.startswith("runt interrupt"):
            id = runt("submit", "while True: pass").stdout.strip()
        elif command.startswith("runt reply"):
            id = runt("submit", "input('sure? ')").stdout.strip()
            wait_for_status(daemon, id, "waiting_input")
        shown = command.replace("FILE", "file.py").replace("'CODE'", shlex.quote(PLOT))
        shown = shown.replace("DIR", "images").replace(" ID", f" {id}").replace(" ASKING", f" {id}")
        done = shell(state, shown)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), (shown, done)
