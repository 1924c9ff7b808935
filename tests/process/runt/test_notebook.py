"""``runt notebook``: what a person does with a notebook at the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import nbformat

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import State

SCRIPT = "# %% [markdown]\n# Title\n\n# %%\nprint(6 * 7)\n"


def test_a_notebook_at_the_command_line(state: State, runt: Runt) -> None:
    (state.project / "a.py").write_text(SCRIPT)
    opened = runt("notebook", "open", "a.py")
    assert (opened.returncode, opened.stdout[:7], opened.stdout[15:]) == (
        0,
        "opened ",
        " (2 cells)\n",
    )
    short = opened.stdout.split()[1]
    assert runt("notebook", "open", "a.py", "-q").stdout == f"{short}\n"
    header, line = runt("notebook", "list").stdout.splitlines()
    assert header.split("\t") == ["ID", "Name", "Cells", "Runtime", "State", "Path"]
    assert line.split("\t")[:5] == [short, "a", "2", "-", "saved"]

    cell = json.loads(runt("notebook", "show", "a", "--json").stdout)["notebook"]["cells"][1]
    ran = json.loads(runt("call", "cell.run", json.dumps({"cell": cell["id"]})).stdout)
    assert runt("wait", ran["id"]).returncode == 0
    shown = runt("notebook", "show", "a.py").stdout.splitlines()
    assert [line.split(" ", 2)[-1] for line in shown if line.startswith("--- ")] == [
        "markdown",
        "In [1] done",
    ]
    assert shown[-3:] == ["print(6 * 7)", "---", "42"]

    exported = runt("notebook", "export", short)
    outputs = nbformat.reads(exported.stdout, as_version=4).cells[1].outputs
    assert [output.text for output in outputs] == ["42\n"]
    assert runt("notebook", "export", "a", "-o", "b.ipynb").returncode == 0
    again = runt("notebook", "export", "a", "-o", "b.ipynb")
    assert (again.returncode, "--force" in again.stderr) == (4, True)
    assert runt("notebook", "export", "a", "--py").stdout == SCRIPT

    assert runt("notebook", "rename", "a", "other").returncode == 0
    closing = runt("notebook", "close", "other")
    assert (closing.returncode, "has changed" in closing.stderr) == (4, True)
    saved = runt("notebook", "save", "other", "c.ipynb")
    assert saved.stdout == f"saved {state.project.resolve() / 'c.ipynb'}\n"
    assert runt("notebook", "close", "other").stdout == f"closed {short}\n"
    assert runt("notebook", "list", "-q").stdout == ""
    assert runt("notebook", "show", "other").returncode == 3
