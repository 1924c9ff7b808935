"""docs/tutorials/python-client.md and docs/how-to/python.md, typed from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.daemon import State

DOCS = Path(__file__).parents[3] / "docs"
PAGES = [DOCS / "tutorials" / "python-client.md", DOCS / "how-to" / "python.md"]
OPTIONS = ("-o", "ELLIPSIS", "-o", "FAIL_FAST")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page(tmp_path: Path, page: Path) -> None:
    blocks = re.findall(r"```pycon\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(blocks) == page.read_text().count("\n```pycon") > 10
    typed = tmp_path / "typed.txt"
    typed.write_text("\n".join(blocks))
    state = State.create()
    folder = os.path.dirname(sys.executable)
    try:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-m", "doctest", *OPTIONS, str(typed)],
            env={**state.env, "PATH": f"{folder}:{state.env['PATH']}"},
            cwd=state.project,
            capture_output=True,
            text=True,
        )
        assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    finally:
        state.dispose()
