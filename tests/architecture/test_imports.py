"""What starting a program may load. The layers themselves are import-linter's: `make lint`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
sys.argv = {argv!r}
try:
    from {module} import main
    main()
except SystemExit:
    pass
sys.stdout.flush()
print("\\n" + json.dumps(sorted(sys.modules)))
"""


def modules_loaded_by(module: str, *argv: str) -> set[str]:
    """Run a program's main in a fresh interpreter, and return what it has imported."""
    code = PROGRAM.format(module=module, argv=list(argv))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize("argv", [("--version",), ("--help",), ("eval", "--help"), ("socket",)])
def test_runt_starts_light(argv: tuple[str, ...]) -> None:
    loaded = modules_loaded_by("runt.cli", "runt", *argv)
    assert "runt.cli" in loaded
    heavy = {"asyncio", "zmq", "apsw", "jupyter_client", "msgspec", "psutil", "tornado"}
    assert loaded.isdisjoint(heavy), loaded & heavy


def test_runtimed_tells_its_version_without_loading_itself() -> None:
    loaded = modules_loaded_by("runtimed.main", "runtimed", "--version")
    heavy = {"asyncio", "zmq", "apsw", "jupyter_client", "msgspec"}
    assert loaded.isdisjoint(heavy), loaded & heavy


def test_the_daemon_does_without_zeromq_and_jupyter() -> None:
    code = "import json, sys, runtimed.daemon; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(run.stdout))
    assert "runtimed.daemon" in loaded
    heavy = {"zmq", "jupyter_client", "tornado", "traitlets", "click", "IPython"}
    assert loaded.isdisjoint(heavy), loaded & heavy
