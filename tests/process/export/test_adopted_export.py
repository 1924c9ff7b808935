"""``runt export`` of a kernel that somebody else has started, and of one that is not recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat

from tests.harness.foreign import foreign_kernel
from tests.process.daemon.adoption.waiting import adopted, execution, until

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State


def test_anothers_kernel(state: State, daemon: Daemon, runt: Runt) -> None:
    with foreign_kernel(state, "python3") as kernel:
        runtime = adopted(daemon, kernel.connection_file)
        client = kernel.client()
        client.execute("print('seen')", reply=True, timeout=30)
        execution(daemon, runtime, "print('seen')", "done")
        daemon.call("runtime.record", runtime=runtime["id"], record="metadata")
        client.execute("print('secret')", reply=True, timeout=30)

        def both() -> bool:
            found = daemon.call("execution.list", runtime=runtime["id"], status=["done"])
            return len(found) == 2

        until(both, "the second execution")
        name = kernel.connection_file.stem
    adopted(daemon, kernel.connection_file, "dead")
    done = runt("export", name)
    notebook = nbformat.reads(done.stdout, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == ["print('seen')"]
    assert notebook.cells[0].outputs[0].text == "seen\n"
    assert notebook.metadata.runtimed.without_content == 1
    assert "secret" not in done.stdout
