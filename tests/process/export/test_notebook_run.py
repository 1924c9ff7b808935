"""``runt notebook run``: what papermill does, and what it cannot: leave, come back, go on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import nbformat
import pexpect
import pytest

from tests.harness.shell import BIN, popen
from tests.process.daemon.adoption.waiting import until
from tests.process.daemon.story import note, wait_for, words

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

PARAMETERS = """\
# %% tags=["parameters"]
count, name, rate, items = 1, "a", 0.5, []

# %% [markdown]
# Text

# %%
print(count, name, rate, items)
"""


def read(state: State, name: str) -> Any:
    notebook = nbformat.read(state.project / name, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return notebook


def printed(notebook: Any) -> list[str]:
    """Return the text of each code cell's streams, and the names of its errors."""
    return [
        "".join(o.get("text", "") or o.get("ename", "") for o in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def living(daemon: Daemon) -> list[str]:
    return [runtime["name"] for runtime in daemon.call("runtime.list")]


def script(state: State, name: str, *cells: str) -> Path:
    path = state.project / name
    path.write_text("\n\n".join(f"# %%\n{cell}" for cell in cells) + "\n")
    return path


def gate(go: Path) -> str:
    """Return code that waits until the file is there."""
    return f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"


def test_parameters_and_what_is_left_behind(state: State, daemon: Daemon, runt: Runt) -> None:
    (state.project / "p.py").write_text(PARAMETERS)
    (state.project / "p.yaml").write_text("rate: 0.25\ncount: 9\n")
    given = ("-p", "count", "3", "-r", "name", "7", "-p", "items", '[1, "x"]', "-f", "p.yaml")
    done = runt("notebook", "run", "p.py", "-o", "out.ipynb", *given)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("wrote out.ipynb\n")
    notebook = read(state, "out.ipynb")
    assert printed(notebook) == ["", "", "3 7 0.25 [1, 'x']\n"]
    assert notebook.cells[1].metadata.tags == ["injected-parameters"]
    times = notebook.cells[3].metadata.execution
    assert times["iopub.execute_input"] <= times["shell.execute_reply"]
    assert notebook.metadata.runtimed.run.parameters == {
        "rate": 0.25, "count": 3, "items": [1, "x"], "name": "7",
    }  # fmt: skip
    assert living(daemon) == []
    assert daemon.call("notebook.list") == []
    # Its output may be run with other parameters, and be written over by the same run.
    again = runt("notebook", "run", "out.ipynb", "-o", "two.ipynb", "-p", "count", "4")
    assert again.returncode == 0
    assert printed(read(state, "two.ipynb")) == ["", "", "4 a 0.5 []\n"]
    both = ("notebook", "run", "p.py", "-o", "two.ipynb", "--json")
    run = json.loads(runt(*both).stdout)["run"]
    assert (run["status"], run["notebook"]["cell_count"]) == ("done", 3)


def test_what_cannot_be_run_is_said(state: State, runt: Runt) -> None:
    script(state, "a.py", "1")
    (state.project / "mine.ipynb").write_text("{}")
    (state.project / "bad.ipynb").write_text("no")
    for arguments, code in (
        (("a.py",), 2),
        (("a.py", "-o", "a.py"), 2),
        (("a.py", "-o", "b.ipynb", "-p", "a b", "1"), 2),
        (("a.py", "-o", "b.ipynb", "-f", "none.yaml"), 3),
        (("none.py", "-o", "b.ipynb"), 3),
        (("bad.ipynb", "-o", "b.ipynb"), 2),
        (("a.py", "-o", "mine.ipynb"), 4),
        (("a.py", "-o", "b.ipynb", "--resume"), 3),
        (("a.py", "-o", "b.ipynb", "--kernel", "no-such-kernel"), 3),
    ):
        done = runt("notebook", "run", *arguments)
        assert (done.returncode, done.stdout) == (code, ""), (arguments, done.stderr)
    assert (state.project / "mine.ipynb").read_text() == "{}"


def test_a_failing_cell_is_where_the_same_command_goes_on(
    state: State, daemon: Daemon, runt: Runt
) -> None:
    truth = state.project / "failing"
    cells = (note(truth, "one") + "\nx = 1", "1/0", "print(y)", "print('last', x, y)")
    path = script(state, "f.py", *cells)
    path.write_text(path.read_text().replace("# %%\n1/0", '# %% tags=["raises-exception"]\n1/0'))
    run = ("notebook", "run", "f.py", "-o", "f.ipynb")
    failed = runt(*run)
    assert failed.returncode == 1
    assert "NameError: name 'y' is not defined" in failed.stderr
    assert "cell 3 of 4 in f.ipynb: error" in failed.stderr
    assert printed(read(state, "f.ipynb")) == ["", "ZeroDivisionError", "NameError", ""]
    assert len(living(daemon)) == 1
    still = runt(*run)
    assert (still.returncode, "resuming after 2 good cells" in still.stderr) == (1, True)
    # What comes after the good cells may be another, and text anywhere.
    edited = path.read_text().replace("print(y)", "y = 2; print(y)")
    path.write_text(f"# %% [markdown]\n# Title\n\n{edited}")
    assert runt(*run, "--resume").returncode == 0
    assert printed(read(state, "f.ipynb")) == ["", "ZeroDivisionError", "2\n", "last 1 2\n"]
    assert words(truth) == ["one"]
    assert living(daemon) == []
    # It has ended well: once more is from the beginning.
    assert runt(*run).returncode == 0
    assert words(truth) == ["one", "one"]
    # Whose kernel is gone has to begin anew, and does not unasked where only to go on was asked.
    path.write_text(path.read_text().replace("y = 2", "z = 2"))
    assert runt(*run).returncode == 1
    assert runt("stop", *living(daemon)).returncode == 0
    assert runt(*run, "--resume").returncode == 4
    assert words(truth) == ["one"] * 3
    anew = runt(*run)
    assert (anew.returncode, "beginning anew: its kernel has ended" in anew.stderr) == (1, True)
    assert words(truth) == ["one"] * 4
    on = runt(*run, "--fresh", "--allow-errors")
    assert (on.returncode, words(truth)) == (0, ["one"] * 5)
    assert printed(read(state, "f.ipynb"))[2:] == ["NameError", "NameError"]
    assert living(daemon) == []


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_it_goes_on_without_its_client_and_the_next_one_attaches(
    state: State, daemon: Daemon, runt: Runt, ending: signal.Signals
) -> None:
    name = ending.name.lower()
    truth, go = state.project / f"{name}-truth", state.project / f"{name}-go"
    script(state, f"{name}.py", note(truth, "one"), gate(go), note(truth, "two") + "; print('two')")
    run = ("notebook", "run", f"{name}.py", "-o", f"{name}.ipynb")
    first = popen(state, *run)
    wait_for(truth, "one")
    first.send_signal(ending)
    _, said = first.communicate(timeout=60)
    assert first.returncode == (-9 if ending == signal.SIGKILL else 128 + 15)
    if ending == signal.SIGTERM:
        assert "the same command attaches to it again" in said
    if ending == signal.SIGKILL:  # nobody watches when it ends
        go.touch()
        wait_for(truth, "two")
        until(lambda: not daemon.call("notebook.list") or is_over(daemon), "its end")
        second = runt(*run)
    else:
        other = popen(state, *run)
        assert other.stderr is not None
        assert "attached" in other.stderr.readline()
        daemon.kill()  # and the daemon may go as well: the client starts another
        go.touch()
        out, err = other.communicate(timeout=60)
        second = subprocess.CompletedProcess([], other.returncode, out, err)
    assert second.returncode == 0, second.stderr
    assert words(truth) == ["one", "two"]
    assert printed(read(state, f"{name}.ipynb")) == ["", "", "two\n"]
    assert (living(daemon), daemon.call("notebook.list")) == ([], [])


def is_over(daemon: Daemon) -> bool:
    (notebook,) = daemon.call("notebook.list")
    cells = daemon.call("notebook.get", notebook=notebook["id"])["cells"]
    return not any(cell["queued"] for cell in cells)


def test_ctrl_c_interrupts_and_what_was_good_stays(
    state: State, daemon: Daemon, runt: Runt
) -> None:
    truth, go = state.project / "c-truth", state.project / "c-go"
    script(state, "c.py", note(truth, "one"), "print('at it')\n" + gate(go), note(truth, "two"))
    run = ("notebook", "run", "c.py", "-o", "c.ipynb")
    first = popen(state, *run)

    def at_it() -> bool:
        found = daemon.call("execution.list", status=["running"])
        return any(daemon.call("execution.get", execution=e["id"])["outputs"] for e in found)

    until(at_it, "the second cell")
    assert printed(read(state, "c.ipynb"))[0] == ""
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert (first.returncode, "cell 2 of 3 in c.ipynb: interrupted" in said) == (130, True)
    assert printed(read(state, "c.ipynb")) == ["", "at it\nKeyboardInterrupt", ""]
    go.touch()
    assert runt(*run).returncode == 0
    assert words(truth) == ["one", "two"]


def test_on_a_terminal(state: State, daemon: Daemon) -> None:
    go = state.project / "t-go"
    script(state, "t.py", "1", gate(go))
    words = [os.path.join(BIN, "runt"), *("notebook", "run", "t.py", "-o", "t.ipynb")]
    with pexpect.spawn(
        shlex.join(words),
        cwd=str(state.project),
        env=state.env | {"TERM": "xterm"},
        encoding="utf-8",
        timeout=60,
    ) as terminal:
        terminal.expect_exact("t.py: 1 of 2 cells done")
        terminal.sendintr()
        terminal.expect_exact("KeyboardInterrupt")
        terminal.expect_exact("cell 2 of 2 in t.ipynb: interrupted")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 130
    (kept,) = living(daemon)
    exported = [os.path.join(BIN, "runt"), *("export", kept)]
    with pexpect.spawn(
        shlex.join(exported), cwd=str(state.home), env=state.env, encoding="utf-8", timeout=60
    ) as terminal:
        terminal.expect_exact(f"wrote {kept}.ipynb\r\n")
        terminal.expect(pexpect.EOF)
    assert len(nbformat.read(state.home / f"{kept}.ipynb", as_version=4).cells) == 2
    daemon.call("runtime.stop", runtime=kept)
    (notebook,) = daemon.call("notebook.list")
    daemon.call("notebook.delete", notebook=notebook["id"])


def test_a_question_and_another_language(state: State, daemon: Daemon, runt: Runt) -> None:
    script(state, "q.py", "print(input('who? '))")
    asking = popen(state, "notebook", "run", "q.py", "-o", "q.ipynb")
    assert asking.stderr is not None
    while "waits for input" not in (said := asking.stderr.readline()):
        assert said, "it ended without a question"
    assert runt("reply", said.split()[1], "me").returncode == 0
    asking.communicate(timeout=60)
    assert (asking.returncode, printed(read(state, "q.ipynb"))) == (0, ["me\n"])
    (state.project / "b.py").write_text('# %% tags=["parameters"]\na=1\n\n# %%\necho "$a"\n')
    runt("notebook", "run", "b.py", "-o", "b.ipynb", "--kernel", "bash", "-p", "a", "x y")
    notebook = read(state, "b.ipynb")
    assert notebook.cells[1].source == "# Parameters\na='x y'"
    assert printed(notebook)[2].strip() == "x y"
    assert notebook.metadata.kernelspec.name == "bash"
    slow = runt("notebook", "run", "q.py", "-o", "slow.ipynb", "--start-timeout", "0.001")
    assert slow.returncode == 6
    assert (living(daemon), daemon.call("notebook.list")) == ([], [])


def test_a_dying_kernel(state: State, daemon: Daemon, runt: Runt) -> None:
    script(state, "d.py", "print(1)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    done = runt("notebook", "run", "d.py", "-o", "d.ipynb")
    assert (done.returncode, "kernel_died" in done.stderr) == (8, True)
    assert printed(read(state, "d.ipynb")) == ["1\n", ""]
    assert os.listdir(state.project).count("d.ipynb") == 1
