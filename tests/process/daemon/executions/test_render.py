"""What an execution has put out, as text within a budget: of a real kernel, however much."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import wait_for_status

if TYPE_CHECKING:
    from tests.process.daemon.executions.conftest import Repl

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAAEklEQVR4nGNg+M8ARAwQCkIDAB7hAv4aKkC6"
    "AAAAAElFTkSuQmCC"
)
SHOW = "from IPython.display import display\n"


def rendered(repl: Repl, code: str, **params: Any) -> Any:
    """Evaluate, and return what it has put out as text."""
    return repl.daemon.call("execution.render", execution=repl.eval(code)["id"], **params)


def test_what_fits_is_whole(repl: Repl) -> None:
    found = rendered(repl, "print('\\x1b[31mred\\x1b[0m'); print('0 %\\r50 %\\r100 %'); 6 * 7")
    assert found["text"] == "red\n100 %\n42"
    assert (found["is_complete"], found["status"], found["outputs"]) == (True, "done", 2)
    assert (found["error"], found["images"], found["omitted"]) == (None, [], [])
    assert rendered(repl, "x = 1")["text"] == "no output"


def test_what_does_not_fit_is_its_head_and_its_tail(repl: Repl) -> None:
    found = rendered(repl, "for i in range(5000): print('line', i)", max_chars=400)
    assert len(found["text"]) <= 400
    assert found["text"].startswith("line 0\n")
    assert "line 4999" in found["text"]
    assert (found["is_complete"], found["total_lines"]) == (False, 5000)
    assert found["total_chars"] == sum(len(f"line {i}\n") for i in range(5000)) - 1
    assert f"runt output {found['execution'][-8:].lower()}" in found["text"]
    by_id = {"execution": found["execution"], "max_chars": 400}
    again = repl.daemon.call("execution.render", **by_id, more="get_output('it')")
    assert "get_output('it')" in again["text"]
    assert "runt output" not in again["text"]


def test_what_was_raised_is_no_longer_than_the_text(repl: Repl) -> None:
    error = rendered(repl, "raise ValueError('x' * 200_000)", max_chars=400)["error"]
    assert error == {"ename": "ValueError", "evalue": "x" * 400 + "… 199,600 more characters"}


@pytest.mark.parametrize("budget", [0, 199, 1_000_001])
def test_a_budget_has_bounds(repl: Repl, budget: int) -> None:
    id = repl.eval("1")["id"]
    with pytest.raises(CallFailed, match=r"max_chars"):
        repl.daemon.call("execution.render", execution=id, max_chars=budget)


def test_a_traceback_is_trimmed_and_its_exception_told(repl: Repl) -> None:
    code = "import json\ndef load(text):\n    return json.loads(text)\nload('{')"
    found = rendered(repl, code)
    assert found["error"]["ename"] == "JSONDecodeError"
    assert found["text"].count("JSONDecodeError") >= 1
    whole = repl.daemon.call("execution.render", execution=found["execution"], traceback="full")
    assert len(whole["text"]) > len(found["text"])
    assert "\x1b" not in whole["text"]


def test_images_are_beside_the_text(repl: Repl) -> None:
    code = SHOW + f"display({{'image/png': '{PNG}', 'text/plain': '<Figure>'}}, raw=True)\nprint(1)"
    found = rendered(repl, code)
    (image,) = found["images"]
    assert PNG not in found["text"]
    assert "image 1" in found["text"]
    assert (image["output"], image["mime"], image["width"], image["height"]) == (
        *(0, "image/png", 2, 3),
    )
    assert image["data"] == PNG
    assert image["size_bytes"] == len(base64.b64decode(PNG))


def test_a_large_image_is_a_blob_and_has_a_size(repl: Repl) -> None:
    code = (
        f"{SHOW}import base64\nraw = base64.b64decode({PNG!r}) + bytes(400_000)\n"
        "display({'image/png': base64.b64encode(raw).decode()}, raw=True)"
    )
    found = rendered(repl, code)
    (image,) = found["images"]
    assert "PNG 2×3, 400 KB" in found["text"]
    assert (image["width"], image["height"], image["data"]) == (2, 3, None)
    blob = repl.daemon.call("blob.get", sha256=image["blob"])
    assert blob["size_bytes"] == image["size_bytes"] == len(base64.b64decode(PNG)) + 400_000


def test_large_texts_are_read_from_their_blobs(repl: Repl) -> None:
    found = rendered(repl, "'begin' + 'x' * 400_000 + 'end'", max_chars=400)
    assert found["text"].startswith("'begin")
    assert "end'" in found["text"]
    assert not found["is_complete"]


def test_the_way_to_a_large_value_goes_there(repl: Repl) -> None:
    found = rendered(repl, "'needle ' + 'x ' * 200_000", max_chars=400)
    lines = repl.daemon.call("execution.output", execution=found["execution"], grep="needle")
    assert lines["lines"] == ["'needle " + "x " * 200_000 + "'"]
    tail = repl.daemon.call("execution.output", execution=found["execution"], tail=1)
    assert tail["lines"] == lines["lines"]
    for shown, mime, part in (
        ("JSON({'a': ['needle'] * 40_000})", "application/json", '"needle", "needle"'),
        ("HTML('<p>needle</p>' * 30_000)", "text/html", "<p>needle</p><p>"),
    ):
        kind = shown.partition("(")[0]
        found = rendered(repl, f"from IPython.display import {kind}\n{shown}", max_chars=400)
        id = found["execution"]
        assert f"All of it: runt output {id[-8:].lower()} --mime {mime}]" in found["text"]
        (line,) = repl.daemon.call("execution.output", execution=id, mime=mime)["lines"]
        assert len(line) > 300_000
        assert part in line or part.replace(" ", "") in line
    over = rendered(repl, "'x' * 20_000_000", max_chars=400)["execution"]
    (line,) = repl.daemon.call("execution.output", execution=over)["lines"]
    assert line.startswith("<text/plain, 20 MB, in blob ")
    sha256 = line.removesuffix(">").rpartition(" ")[2]
    assert repl.daemon.call("blob.get", sha256=sha256)["size_bytes"] == 20_000_002


def test_many_outputs_are_counted(repl: Repl) -> None:
    found = rendered(repl, SHOW + "for i in range(3000): display(f'shown {i}')", max_chars=600)
    assert found["outputs"] == 3000
    assert "shown 0" in found["text"]
    assert "shown 2999" in found["text"]
    assert not found["is_complete"]
    rest = repl.daemon.call(
        "execution.render", execution=found["execution"], since_output=2998, max_chars=600
    )
    assert rest["text"] == "'shown 2998'\n'shown 2999'"
    over = repl.daemon.call("execution.render", execution=found["execution"], since_output=3000)
    assert (over["text"], over["images"]) == ("no output", [])


def test_it_waits_and_says_how_far_it_is(repl: Repl) -> None:
    id = repl.submit("print('before'); answer = input('who? '); print('after')")
    wait_for_status(repl.daemon, id, "waiting_input")
    found = repl.daemon.call("execution.render", execution=id)
    assert (found["status"], found["input"]["prompt"]) == ("waiting_input", "who? ")
    assert found["text"] == "before"
    assert repl.daemon.call("execution.render", execution=id, wait_s=0.01)["text"] == "before"
    repl.daemon.call("execution.input", execution=id, value="me")
    done = repl.daemon.call("execution.render", execution=id, wait_s=None)
    assert (done["status"], done["input"]) == ("done", None)
    assert done["text"].endswith("after")


def test_a_long_print_is_not_held_in_memory(repl: Repl) -> None:
    id = repl.eval("text = 'y' * 99 + '\\n'\nfor i in range(60): print(text * 10_000, end='')")[
        "id"
    ]
    process = psutil.Process(repl.daemon.pid)
    repl.daemon.call("execution.render", execution=repl.eval("1")["id"])  # all is imported
    before_bytes = process.memory_info().rss
    found = repl.daemon.call("execution.render", execution=id, max_chars=600)
    assert process.memory_info().rss - before_bytes < 20_000_000
    assert (found["total_chars"], found["total_lines"]) == (59_999_999, 600_000)
