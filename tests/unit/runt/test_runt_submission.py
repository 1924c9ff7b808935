from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from runt import submission
from runt.commands.evaluate_options import defaults
from runt.failures import UsageFailure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def options(**given: object) -> dict[str, object]:
    return {**defaults("eval"), "code": None, "argv": None, **given}


@pytest.fixture
def stdin() -> Iterator[Any]:
    """Return a function that puts a descriptor in the place of stdin."""
    before = os.dup(0)
    yield lambda fd: os.dup2(fd, 0)
    os.dup2(before, 0)
    os.close(before)


def pipe_with(text: bytes) -> int:
    read, write = os.pipe()
    os.write(write, text)
    os.close(write)
    return read


def file_with(path: Path, text: bytes) -> int:
    path.write_bytes(text)
    return os.open(path, os.O_RDONLY)


# -- code


def test_code_is_the_argument() -> None:
    assert submission.read_code(options(code="1+1")) == ("1+1", False)


def test_code_is_a_file_without_its_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_bytes(b"\xef\xbb\xbfx = 'caf\xc3\xa9'\n")
    assert submission.read_code(options(file=str(file))) == ("x = 'café'\n", False)


@pytest.mark.parametrize("code", [None, "-"])
def test_code_is_stdin(stdin: Any, code: str | None) -> None:
    stdin(pipe_with(b"print(1)\n"))
    assert submission.read_code(options(code=code)) == ("print(1)\n", True)


def test_code_in_two_places_is_refused() -> None:
    with pytest.raises(UsageFailure, match="not both"):
        submission.read_code(options(code="1", file="f.py"))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UsageFailure, match=r"cannot read no\.py: No such file"):
        submission.read_code(options(file="no.py"))


def test_code_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_bytes(b"x\xff")
    with pytest.raises(UsageFailure, match="not UTF-8 \\(byte 1\\)"):
        submission.read_code(options(file=str(file)))


# -- stdin, where code is an argument


@pytest.mark.parametrize("code", ["sys.stdin.read()", "open(0).read()", "import fileinput"])
@pytest.mark.parametrize("detached", [True, False])
def test_stdin_is_read_in_advance_if_the_code_names_it(
    stdin: Any, code: str, detached: bool
) -> None:
    stdin(pipe_with(b""))
    assert submission.wants_stdin(code, options(), detached=detached)


@pytest.mark.parametrize("code", ["1+1", "input()", "main()"])
def test_stdin_is_not_touched_otherwise(stdin: Any, code: str) -> None:
    """An idle pipe must not hang it, and a shell loop's list must not be swallowed."""
    read, write = os.pipe()
    stdin(read)
    assert not submission.wants_stdin(code, options(), detached=False)
    assert not submission.wants_stdin(code, options(), detached=True)
    os.close(write)


def test_detached_a_file_is_read_for_input(stdin: Any, tmp_path: Path) -> None:
    stdin(file_with(tmp_path / "answers", b"a\n"))
    assert submission.wants_stdin("input()", options(), detached=True)
    assert not submission.wants_stdin("input()", options(), detached=False)
    assert not submission.wants_stdin("1+1", options(), detached=True)


def test_options_overrule(stdin: Any) -> None:
    stdin(pipe_with(b""))
    assert submission.wants_stdin("1+1", options(stdin=True), detached=False)
    assert not submission.wants_stdin("sys.stdin", options(no_stdin=True), detached=False)


def test_an_empty_stdin_is_empty_text(stdin: Any) -> None:
    stdin(os.open(os.devnull, os.O_RDONLY))
    params = submission.parameters(options(code="sys.stdin.read()"), detached=False)
    assert params["stdin"] == ""


def test_a_stdin_that_is_not_utf8_is_refused(stdin: Any) -> None:
    stdin(pipe_with(b"ab\xff"))
    with pytest.raises(UsageFailure, match=r"^stdin is not UTF-8 \(byte 2\)$"):
        submission.parameters(options(code="sys.stdin.read()"), detached=False)


@pytest.mark.parametrize(("argv", "sent"), [(None, ["-c"]), (["a"], ["-c", "a"])])
def test_code_that_is_fed_stdin_has_no_arguments_of_the_kernel(
    stdin: Any, argv: list[str] | None, sent: list[str]
) -> None:
    stdin(pipe_with(b"x"))
    given = options(code="import fileinput", argv=argv)
    assert submission.parameters(given, detached=False)["argv"] == sent


def test_other_code_keeps_the_arguments_that_it_has() -> None:
    assert "argv" not in submission.parameters(options(code="1"), detached=False)


def test_all_of_stdin_arrives(stdin: Any, tmp_path: Path) -> None:
    text = b"line\n" * 300_000
    stdin(file_with(tmp_path / "data", text))
    params = submission.parameters(options(code="sys.stdin.read()"), detached=False)
    assert params["stdin"] == text.decode()


# -- which runtime


def test_an_option_names_the_runtime_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNT_RUNTIME", "other")
    assert submission.which_runtime(options(runtime="lab")) == {"runtime": "lab"}
    assert submission.which_runtime(options()) == {"runtime": "other"}


def test_else_it_is_the_projects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RUNT_RUNTIME", raising=False)
    (tmp_path / "pyproject.toml").touch()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setenv("PWD", str(inner))
    monkeypatch.setenv("FOO", "bar")
    params = submission.which_runtime(options(kernel="ir", name="n"))
    assert params["project"] == str(tmp_path.resolve())
    assert params["cwd"] == str(inner)
    assert params["kernel_name"] == "ir"
    assert params["name"] == "n"
    assert params["env"]["FOO"] == "bar"  # type: ignore[index]
    assert "runtime" not in params


@pytest.mark.parametrize(
    "wish",
    [{"kernel": "k"}, {"python": "p"}, {"name": "n"}, {"env": ("A=1",)}, {"clean_env": True}],
)
def test_wishes_for_a_start_do_not_go_with_a_runtime_that_is_there(wish: dict[str, object]) -> None:
    with pytest.raises(UsageFailure, match="--runtime names a runtime"):
        submission.which_runtime(options(runtime="lab", **wish))


def test_paths_are_made_absolute_and_names_are_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".venv").mkdir()
    here = os.getcwd()
    assert submission.as_place("./env") == f"{here}/env"
    assert submission.as_place(".venv") == f"{here}/.venv"
    assert submission.as_place("~/env") == os.path.expanduser("~/env")
    assert submission.as_place("python3") == "python3"


# -- the rest


def test_options_become_parameters() -> None:
    params = submission.parameters(
        options(
            code="1",
            runtime="r",
            id="01J",
            group="g",
            no_stop_on_error=True,
            carry_over=True,
            cell="dir/nb.ipynb/c1",
            argv=["a"],
            no_stdin=True,
        ),
        detached=False,
    )
    assert params == {
        "code": "1",
        "runtime": "r",
        "id": "01J",
        "group": "g",
        "stop_on_error": False,
        "carry_over": True,
        "cell": {"notebook": "dir/nb.ipynb", "id": "c1"},
        "argv": ["-c", "a"],
    }


@pytest.mark.parametrize("cell", ["c1", "/c1", "nb/"])
def test_a_cell_needs_both_names(cell: str) -> None:
    with pytest.raises(UsageFailure, match="NOTEBOOK/ID"):
        submission.parameters(
            options(code="1", runtime="r", cell=cell, no_stdin=True), detached=False
        )


def test_a_throwaway_runtime_is_never_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNT_RUNTIME", "lab")
    params = submission.which_runtime(options(rm=True, kernel="ir"))
    assert "runtime" not in params
    assert params["kernel_name"] == "ir"
    assert "env" in params


def test_an_argument_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(UsageFailure, match="not UTF-8"):
        submission.read_code(options(code="x\udcff"))
