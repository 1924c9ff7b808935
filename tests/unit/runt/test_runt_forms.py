"""`runt eval` and `runt output` where a form is asked for, against a scripted service."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.script import end, out, running

if TYPE_CHECKING:
    from tests.unit.runt.conftest import Run, Serve


def test_the_document_alone_is_one_line(serve: Serve, run: Run) -> None:
    error = {"output_type": "error", "ename": "SystemExit", "evalue": "0"}
    document = {"id": "01J", "status": "error", "outputs": [error]}
    daemon = serve(
        execution__submit=running(out("a"), end("error")), execution__get=lambda c, p: document
    )
    done = run("eval", "--format", "json", "x")
    assert json.loads(done.stdout) == {"schema": 1, "execution": document}
    assert (done.stderr, done.returncode) == ("", 0)
    assert daemon.params("events.subscribe")[0]["types"] == ["execution", "input", "gap"]


def rendered(**members: object) -> dict[str, object]:
    nothing = dict.fromkeys(("error", "gap", "reason", "input", "outputs_removed"))
    return {"execution": "01J", "status": "done", "text": "42", "images": [], **nothing, **members}


def test_text_that_fits_is_asked_of_the_service(serve: Serve, run: Run) -> None:
    daemon = serve(
        execution__submit=running(out("a"), end()), execution__render=lambda c, p: rendered()
    )
    done = run("eval", "--max-chars", "300", "--format", "markdown", "x")
    assert (done.stdout, done.stderr, done.returncode) == ("42\n", "", 0)
    (asked,) = daemon.params("execution.render")
    assert (asked["max_chars"], asked["form"]) == (300, "markdown")


@pytest.mark.parametrize(("evalue", "code"), [("0", 0), ("1", 1)])
def test_what_was_raised_comes_with_the_text(
    serve: Serve, run: Run, evalue: str, code: int
) -> None:
    error = {"ename": "SystemExit", "evalue": evalue}
    serve(
        execution__submit=running(end("error")),
        execution__render=lambda c, p: rendered(status="error", error=error, text="exit"),
    )
    done = run("eval", "--max-chars", "300", "x")
    assert (done.stdout, done.returncode) == ("exit\n", code)


def test_a_wait_that_expires_shows_what_there_is_and_what_to_do(serve: Serve, run: Run) -> None:
    daemon = serve(
        execution__submit=running(out("so far")),
        execution__render=lambda c, p: rendered(status="running", text="so far"),
    )
    done = run("eval", "--wait", "0.2", "--max-chars", "300", "x")
    assert (done.stdout, done.returncode) == ("so far\n", 124)
    assert re.fullmatch(
        r"(\w{8}) still \w+; `runt output \1 --wait 60 --max-chars 300` waits for it and shows it, "
        r"`runt interrupt \1` ends it\n",
        done.stderr,
    )
    assert "wait_s" not in daemon.params("execution.render")[0]  # once is enough


def image(number: int, output: int, **members: object) -> dict[str, object]:
    return {"number": number, "output": output, "mime": "image/png", "size_bytes": 3, **members}


def test_images_become_files_and_none_is_written_over(serve: Serve, run: Run) -> None:
    """The service had no room for the third one, and is asked for it."""
    one = b"\x89PNG one"
    data = base64.b64encode(one).decode()
    pages = {
        0: [image(1, 0, data=data), image(2, 1, blob="b" * 64), image(3, 4)],
        4: [image(1, 4, data="<svg/>", mime="image/svg+xml")],
    }
    daemon = serve(
        execution__submit=running(out("a\n"), end()),
        execution__render=lambda c, p: rendered(images=pages[p.get("since_output", 0)]),
        execution__get=lambda c, p: {"id": p["execution"], "code": "x"},
        blob__get=lambda c, p: {"data": base64.b64encode(b"two").decode()},
    )
    directory = Path(run.directory) / "new" / "plots"
    id = "01J8ZQ4X8Y6D7N5K3M2P1R0S9T"
    argv = ("eval", "--id", id, "--save-images", os.fspath(directory), "x")
    first = run(*argv)
    assert (first.stdout, first.returncode) == ("a\n", 0), first
    names = ["2p1r0s9t-1.png", "2p1r0s9t-2.png", "2p1r0s9t-3.svg"]
    said = ["", ", but its bytes are no image/png", ""]
    assert first.stderr.splitlines() == [
        f"saved {directory / name}{but}" for name, but in zip(names, said, strict=True)
    ]
    assert sorted(path.name for path in directory.iterdir()) == names
    assert [(directory / name).read_bytes() for name in names] == [one, b"two", b"<svg/>"]
    (directory / names[0]).write_bytes(b"mine")
    again = run("output", id, "--max-chars", "300", "--json", "--save-images", os.fspath(directory))
    saved = json.loads(again.stdout)["images"]
    assert [Path(one["path"]).name for one in saved] == ["2p1r0s9t-1.2.png", *names[1:]]
    assert (directory / names[0]).read_bytes() == b"mine"
    assert [one["is_image"] for one in saved] == [True, False, True]
    asked = daemon.params("execution.render")
    assert [one.get("since_output") for one in asked] == [0, 4, None, 4]
    assert "data" not in json.loads(again.stdout)["rendered"]["images"][0]
    assert again.stderr == ""


def test_a_directory_that_cannot_be_made(serve: Serve, run: Run) -> None:
    data = base64.b64encode(b"one").decode()
    serve(
        execution__submit=running(end()),
        execution__render=lambda c, p: rendered(images=[image(1, 0, data=data)]),
    )
    done = run("eval", "--save-images", "/dev/null/x", "x")
    assert (done.returncode, done.stdout) == (7, "")
    assert "cannot save images in /dev/null/x" in done.stderr
    assert "Traceback" not in done.stderr


def page(lines: list[str], **members: object) -> dict[str, object]:
    few = {"execution": "01J", "status": "done", "lines": lines, "unfinished": None, "cursor": 9}
    return few | {"total_lines": len(lines), "more": False, **members}


def test_lines_that_are_asked_for_fit(serve: Serve, run: Run) -> None:
    pages = {0: page(["x" * 9000, "y" * 9000 + "loss 3" + "y" * 9000], more=True), 9: page(["end"])}
    daemon = serve(execution__output=lambda c, p: pages[p.get("cursor", 0)])
    done = run("output", "01J", "--grep", "loss", "--max-chars", "400")
    assert len(done.stdout) <= 401
    assert "yloss 3y" in done.stdout
    assert done.stdout.endswith("\nend\n")
    assert "a larger --max-chars shows what is around a match" in done.stderr
    assert [asked["grep"] for asked in daemon.params("execution.output")] == ["loss", "loss"]


def test_a_line_that_is_cut_says_where_the_rest_is(serve: Serve, run: Run) -> None:
    serve(execution__output=lambda c, p: page([], unfinished="\x1b[31mx" * 90_000))
    done = run("output", "01J", "--tail", "1", "--max-chars", "300")
    assert len(done.stdout) <= 301
    assert re.search(r"xx\n… 89,\d{3} characters left out …\nxx", done.stdout)
    assert "--grep REGEX shows what is around a match" in done.stderr
    document = json.loads(
        run("output", "01J", "--tail", "1", "--max-chars", "300", "--json").stdout
    )
    shown = document["output"]
    assert (shown["is_complete"], shown["unfinished"], len(shown["lines"])) == (False, None, 3)


def test_a_form_is_for_all_of_it(serve: Serve, run: Run) -> None:
    serve()
    done = run("output", "01J", "--tail", "1", "--format", "text")
    assert (done.returncode, "--format is for all of it; --tail is not" in done.stderr) == (2, True)


def test_code_is_as_bounded_as_its_text_and_does_nothing_to_a_terminal(
    serve: Serve, run: Run
) -> None:
    code = "\x1b]0;PWNED\x07\x1b[31mf()\r" + "x" * 5000
    asks = {"prompt": "p" * 5000, "password": False, "request": "1"}
    document = {"id": "01J", "status": "done", "runtime": {"name": "r\x1b[31m"}, "input": asks}
    serve(
        execution__get=lambda c, p: document | {"code": code},
        execution__render=lambda c, p: rendered(),
    )
    found = json.loads(run("output", "01J", "--max-chars", "300", "--json").stdout)["execution"]
    assert len(found["code"]) < 350
    assert found["input"]["prompt"].endswith("p… 4,700 more characters")
    shown = run("show", "01J", "--format", "text").stdout
    assert shown.startswith("01j · done · r\n\nf()\nxxx")
    assert "\x1b" not in shown and "PWNED" not in shown


def test_a_text_that_is_waited_for_is_made_once(serve: Serve, run: Run) -> None:
    daemon = serve(execution__render=lambda c, p: rendered(status="running"))
    done = run("output", "01J", "--wait", "0.1", "--max-chars", "300")
    assert (done.stdout, done.returncode) == ("42\n", 124)
    (asked,) = daemon.params("execution.render")
    assert (asked["wait_s"], asked["max_chars"]) == (0.1, 300)
    assert run("output", "01J", "--max-chars", "300").returncode == 0
    assert "wait_s" not in daemon.params("execution.render")[-1]
