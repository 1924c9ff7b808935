"""What `systemctl show` says of a unit with drop-ins, and what is tried of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from runtimed.managers import drop_ins
from runtimed.managers.failures import Unfit

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "/old/bin/runtimed", "/new/bin/runtimed"


def shown(path: str, line: str) -> str:
    return f"ExecStart={{ path={path} ; argv[]={line} ; ignore_errors=no ; start_time=[n/a] }}\n"


@pytest.mark.parametrize(
    ("path", "line", "expected"),
    [
        (OLD, f"{OLD} --take-over", [NEW]),
        (
            "/usr/bin/env",
            "/usr/bin/env A=b runtimed --take-over",
            ["/usr/bin/env", "A=b", "runtimed"],
        ),
        (
            sys.executable,
            f"{sys.executable} -m runtimed --take-over",
            [sys.executable, "-m", "runtimed"],
        ),
        ("/bin/sh", "/bin/sh -c exec /x/runtimed --take-over", [NEW]),
        ("/usr/bin/env", "/usr/bin/env ${X} runtimed --take-over", [NEW]),
    ],
    ids=["unit", "env", "python", "shell", "variable"],
)
def test_what_the_unit_starts_is_tried(path: str, line: str, expected: list[str]) -> None:
    assert drop_ins.command_of(shown(path, line), OLD, NEW) == expected


def test_what_is_not_installed_starts_the_program() -> None:
    assert drop_ins.command_of("Environment=\n", None, NEW) == [NEW]


def test_a_program_of_ours_elsewhere_is_that_which_is_tried(tmp_path: Path) -> None:
    program = tmp_path / "a b" / "runtimed"
    program.parent.mkdir()
    program.write_text("")
    program.chmod(0o755)
    assert drop_ins.command_of(shown(str(program), f"{program} -x"), OLD, NEW) == [str(program)]
    program.chmod(0o644)
    with pytest.raises(Unfit, match="which the unit starts"):
        drop_ins.command_of(shown(str(program), f"{program} -x"), OLD, NEW)


def test_a_file_is_read_as_systemd_reads_it() -> None:
    text = """# no=1
; nor=2
A=1
B = two words\x20\x20
C="a \\"b\\" \\x $"'c d'e
D=one\\
 two
E="a
b"
F=
no assignment
"""
    assert drop_ins.assigned(text) == {
        "A": "1",
        "B": "two words",
        "C": 'a "b" \\x $c de',
        "D": "one two",
        "E": "a\nb",
        "F": "",
    }


def test_files_come_last_and_what_is_unset_goes(tmp_path: Path) -> None:
    (tmp_path / "a b.env").write_text("A=file\nB=file\nC=file\n")
    text = (
        f"EnvironmentFiles={tmp_path}/*.env (ignore_errors=no)\n"
        f"EnvironmentFiles={tmp_path}/none (ignore_errors=yes)\n"
        'UnsetEnvironment=B "C=other one" "D=x y"\n'
    )
    found = drop_ins.with_files({"A": "unit", "D": "x y", "E": "unit"}, text)
    assert found == {"A": "file", "C": "file", "E": "unit"}


def test_a_file_that_has_to_be_there_is_missed(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="is not there"):
        drop_ins.with_files({}, f"EnvironmentFiles={tmp_path}/none (ignore_errors=no)\n")
