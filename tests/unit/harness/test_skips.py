from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.skips import read_allowed

ROOT = Path(__file__).parents[3]
SUITE = """
import pytest

@pytest.mark.skip(reason="no such machine")
def test_elsewhere(): ...

@pytest.mark.parametrize("n", [1, 2])
def test_sometimes(n):
    if n == 2:
        pytest.skip("not two")
"""


def run_suite(directory: Path, allowed: str, *, suite: str = SUITE) -> tuple[int, str]:
    (directory / "test_it.py").write_text(suite)
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "allowed.txt").write_text(allowed)
    words = [sys.executable, "-m", "pytest", "-p", "tests.harness.skips", "--allowed-skips"]
    run = subprocess.run(
        [*words, "allowed.txt", "-p", "no:cacheprovider"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout


def test_a_skip_without_leave_fails_the_run(tmp_path: Path) -> None:
    status, output = run_suite(tmp_path, "test_it.py::test_elsewhere: needs another machine\n")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "SKIPPED without leave: test_it.py::test_sometimes[2]" in output
    assert "leave: test_it.py::test_elsewhere" not in output


def test_listed_skips_are_allowed(tmp_path: Path) -> None:
    listed = "# why\n\ntest_it.py::test_elsewhere: reason\ntest_it.py::test_sometimes: reason\n"
    status, output = run_suite(tmp_path, listed)
    assert status == pytest.ExitCode.OK
    assert "without leave" not in output


def test_a_module_that_skips_itself_fails_the_run(tmp_path: Path) -> None:
    suite = "import pytest\npytest.importorskip('no_such_module')\n\ndef test_one(): ...\n"
    (tmp_path / "test_other.py").write_text("def test_fine(): ...\n")
    status, output = run_suite(tmp_path, "", suite=suite)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "SKIPPED without leave: test_it.py" in output


def test_every_allowed_skip_has_a_reason(tmp_path: Path) -> None:
    assert read_allowed(ROOT / "tests" / "allowed_skips.txt") is not None
    (tmp_path / "allowed.txt").write_text("test_it.py::test_one\n")
    with pytest.raises(ValueError, match="no reason is given"):
        read_allowed(tmp_path / "allowed.txt")
