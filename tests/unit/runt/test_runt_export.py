"""`runt export`: which runtime is meant, what is asked for, and what is said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.runt.verbs import RUNTIME

if TYPE_CHECKING:
    from tests.unit.runt.conftest import Run, Serve

EXPORTED = {"format": "ipynb", "name": "lab.ipynb", "text": "{}\n"}
OLD, NEW = "01J8ZQ4X8Y6D7N5K3M2P1R0001", "01J8ZQ4X8Y6D7N5K3M2P1R0002"


def of_notebook(id: str, path: str) -> dict[str, Any]:
    return {**RUNTIME, "id": id, "owner": {"kind": "jupyter_server", "path": path}}


def test_a_notebook_is_its_latest_kernel(serve: Serve, run: Run) -> None:
    runtimes = [of_notebook(NEW, "work/a.ipynb"), of_notebook(OLD, "work/a.ipynb")]
    daemon = serve(runtime__list=lambda c, p: runtimes, runtime__export=lambda c, p: EXPORTED)
    done = run("export", "a.ipynb")
    assert (done.returncode, done.stdout) == (0, "{}\n")
    assert done.stderr == "runt: of the kernel 2p1r0002; earlier ones: 2p1r0001\n"
    assert run("export", "gone.ipynb").stderr == ""  # the daemon may know a removed one
    assert [p["runtime"] for p in daemon.params("runtime.export")] == [NEW, "gone.ipynb"]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ((), {"format": "ipynb"}),
        (("--py",), {"format": "py"}),
        (("-o", "x.md"), {"format": "md"}),
        (("-o", "x.md", "--py"), {"format": "py"}),
        (("--only", "ok", "--foreign"), {"format": "ipynb", "status": ["done"], "foreign": True}),
        (
            ("--since", "2026-01-31T00:00:00Z"),
            {"format": "ipynb", "since": "2026-01-31T00:00:00.000Z"},
        ),
    ],
)
def test_what_is_asked_for(
    serve: Serve, run: Run, arguments: tuple[str, ...], asked: dict[str, Any]
) -> None:
    daemon = serve(runtime__export=lambda c, p: EXPORTED)
    assert run("export", "lab", *arguments).returncode == 0
    assert daemon.params("runtime.export") == [{"runtime": "lab", **asked}]


@pytest.mark.parametrize("verb", [("export",), ("notebook", "export")])
def test_two_forms_are_a_mistake(run: Run, verb: tuple[str, ...]) -> None:
    done = run(*verb, "lab", "--py", "--md")
    assert (done.returncode, done.stderr) == (2, "runt: --py and --md exclude each other\n")


def test_where_it_cannot_be_written(serve: Serve, run: Run) -> None:
    serve(runtime__export=lambda c, p: EXPORTED)
    done = run("export", "lab", "-o", "none/x.ipynb")
    assert (done.returncode, done.stderr) == (
        1,
        "runt: cannot write none/x.ipynb: No such file or directory\n",
    )
    os.symlink("target", os.path.join(run.directory, "link"))
    assert run("export", "lab", "-o", "link").returncode == 4
    assert run("export", "lab", "-o", "link", "--force").returncode == 0
    assert run("export", "lab", "--json", "-o", "x").returncode == 2
