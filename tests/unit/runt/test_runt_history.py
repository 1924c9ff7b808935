"""`runt history`: newest first, of whom, and of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runt.commands.history import of_notebook
from runt.failures import ConflictFailure
from tests.unit.runt.test_runt_others import other
from tests.unit.runt.verbs import EXECUTION

if TYPE_CHECKING:
    from tests.unit.runt.conftest import Run, Serve


# -- history


def execution(number: int, **fields: Any) -> dict[str, Any]:
    return {**EXECUTION, "id": f"01J8ZQ4X8Y6D7N5K3M2P1R{number:04d}", **fields}


def store_of(executions: dict[str | None, list[dict[str, Any]]]) -> Any:
    """Answer execution.list as the daemon does: newest first, before an id, so many."""

    def answer(connection: Any, params: dict[str, Any]) -> list[dict[str, Any]]:
        before = params.get("before", "~")
        found = [e for e in executions[params.get("runtime")] if e["id"] < before]
        return sorted(found, key=lambda e: str(e["id"]), reverse=True)[: params["limit"]]

    return answer


def test_history_is_newest_first_with_who_and_what(serve: Serve, run: Run) -> None:
    found = [
        execution(1, code="\n  x = 1  \n"),
        execution(2, code="def f():\n\treturn 1\n", requested_by={"client": "foreign"}),
        execution(3, code="", status="error", requested_by={"client": "mcp"}),
    ]
    daemon = serve(execution__list=store_of({None: found}))
    at = "2026-01-01T00:00:00.000Z"
    assert [line.split("\t") for line in run("history").stdout.splitlines()] == [
        ["ID", "Time", "Runtime", "Status", "Who", "Code"],
        ["2p1r0003", at, "lab", "error", "mcp", "-"],
        ["2p1r0002", at, "lab", "cancelled", "foreign", "def f(): …"],
        ["2p1r0001", at, "lab", "cancelled", "you", "x = 1"],
    ]
    assert run("history", "-n", "1", "-q").stdout == "2p1r0003\n"
    assert [p["limit"] for p in daemon.params("execution.list")] == [50, 1]


def test_history_pages(serve: Serve, run: Run) -> None:
    found = [execution(number) for number in range(2100)]
    daemon = serve(execution__list=store_of({None: found}))
    ids = run("history", "-n", "2050", "-q").stdout.split()
    assert ids == [f"2p1r{number:04d}" for number in reversed(range(50, 2100))]
    assert [p["limit"] for p in daemon.params("execution.list")] == [1000, 1000, 50]
    assert len(run("history", "-n", "9000", "-q").stdout.split()) == 2100


def test_the_history_of_a_notebook_is_that_of_all_its_kernels(serve: Serve, run: Run) -> None:
    one, two = other(1, status="dead"), other(2)
    theirs = {
        one["id"]: [execution(1), execution(4)],
        two["id"]: [execution(2), execution(3)],
    }
    daemon = serve(
        runtime__list=lambda c, p: [one, two, other(3, owner=None)],
        execution__list=store_of(theirs),
    )
    done = run("history", "-r", "w/a.ipynb", "-n", "3", "-q")
    assert done.stdout.split() == ["2p1r0004", "2p1r0003", "2p1r0002"]
    assert daemon.params("runtime.list") == [{"all": True}]


def test_the_history_of_a_runtime_is_asked_by_what_it_is_called(serve: Serve, run: Run) -> None:
    daemon = serve(
        runtime__list=lambda c, p: [], execution__list=store_of({"lab": [], "b.ipynb": []})
    )
    assert run("history", "--runtime", "lab").returncode == 0
    assert run("history", "--runtime", "b.ipynb").returncode == 0
    assert [p["runtime"] for p in daemon.params("execution.list")] == ["lab", "b.ipynb"]


def test_history_names_the_notebook(serve: Serve, run: Run) -> None:
    runtime = {**EXECUTION["runtime"], "notebook": "a.ipynb"}
    serve(execution__list=store_of({None: [execution(1, runtime=runtime)]}))
    assert run("history").stdout.splitlines()[1].split("\t")[2] == "a.ipynb"


def test_a_notebook_is_known_by_the_names_that_it_had() -> None:
    renamed = {"path": "w/new.ipynb", "earlier_paths": ["x/new.ipynb", "w/old.ipynb"]}
    runtimes = [other(1, owner={"path": "w/old.ipynb"}), other(2, owner=renamed)]
    ids = [str(runtime["id"]) for runtime in runtimes]
    assert of_notebook(runtimes, "w/old.ipynb", "/elsewhere/w/old.ipynb") == ids
    assert of_notebook(runtimes, "new.ipynb", "/elsewhere/new.ipynb") == ids[1:]


def test_a_notebook_is_known_by_its_path_its_end_or_its_name() -> None:
    nested, top = {"path": "w/a.ipynb"}, {"path": "a.ipynb"}
    runtimes = [other(1, owner=nested), other(2, owner=top), other(3, owner=None)]
    ids = [str(runtime["id"]) for runtime in runtimes]
    assert of_notebook(runtimes, "w/a.ipynb", "/elsewhere/w/a.ipynb") == [ids[0]]
    assert of_notebook(runtimes, "a.ipynb", "/elsewhere/a.ipynb") == [ids[1]]
    assert of_notebook(runtimes[:1], "../w/a.ipynb", "/top/w/a.ipynb") == [ids[0]]
    assert of_notebook(runtimes[:1], "a.ipynb", "/elsewhere/a.ipynb") == [ids[0]]
    assert of_notebook(runtimes, "b.ipynb", "/b.ipynb") == []
    with pytest.raises(ConflictFailure, match=r"a\.ipynb, w/a\.ipynb"):
        of_notebook(runtimes, "./w/a.ipynb", "/top/w/a.ipynb")


@pytest.mark.parametrize("verb", [("history",), ("search", "x"), ("export", "lab")])
def test_mine_and_foreign_exclude_each_other(run: Run, verb: tuple[str, ...]) -> None:
    result = run(*verb, "--mine", "--foreign")
    assert result.returncode == 2
    assert "exclude each other" in result.stderr


def test_ids_that_clients_bring_do_not_change_the_order(serve: Serve, run: Run) -> None:
    """The daemon lists them as they were submitted."""
    found = [execution(5), execution(1), execution(9)]
    serve(execution__list=lambda c, p: found)
    assert run("history", "-q").stdout.split() == ["2p1r0005", "2p1r0001", "2p1r0009"]


def test_no_moment_is_none(serve: Serve, run: Run) -> None:
    serve(execution__list=lambda c, p: [])
    for option in ("--since", "--until"):
        refused = run("history", option, "")
        assert (refused.returncode, "is no moment" in refused.stderr) == (2, True)


def test_what_is_shown_does_not_command_the_terminal(serve: Serve, run: Run) -> None:
    code = "'\x1b]0;title\x07\x1b[2J\x9b2J'"
    serve(execution__get=lambda c, p: execution(1, code=code, reason=f"a\n{code}"))
    shown = run("show", "2p1r0001").stdout
    assert "]0;title" in shown
    assert not set("\x1b\x07\x9b") & set(shown)
