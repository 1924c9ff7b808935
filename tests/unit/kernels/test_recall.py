from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from runtimed.kernels.environments import Wish, choose
from runtimed.kernels.recall import recall, recorded
from tests.harness.jupyter import write_kernelspec, write_program

if TYPE_CHECKING:
    from pathlib import Path

    from runtimed.kernels.specs import SpecFinder


async def test_the_same_python_from_a_shell_where_another_is_active(
    finder: SpecFinder, env: dict[str, str], good_venv: Path, bare_venv: Path
) -> None:
    first = await choose(Wish(env=env | {"VIRTUAL_ENV": str(good_venv)}), finder)
    elsewhere = env | {"VIRTUAL_ENV": str(bare_venv)}
    again = await recall(recorded(first), elsewhere, finder)
    assert again.argv == first.argv
    assert again.key == first.key
    assert again.env["VIRTUAL_ENV"] == str(good_venv)
    assert again.env["PATH"] == f"{good_venv}/bin:{env['PATH']}"


async def test_the_same_program_where_it_is_not_on_path(
    finder: SpecFinder, env: dict[str, str], user_jupyter: Path, home: Path
) -> None:
    write_program(home / "bin" / "k")
    write_kernelspec(user_jupyter, "mine", argv=["k", "{connection_file}"], env={"A": "${B}c"})
    first = await choose(Wish(env=env | {"B": "b"}, kernel="mine"), finder)
    assert first.env == {"A": "bc"}
    again = await recall(recorded(first), env | {"PATH": "", "B": "x"}, finder)
    assert again == msgspec.structs.replace(first, env={"A": "xc"})

    gone = env | {"HOME": "/nonexistent"}
    assert (await recall(recorded(first), gone, finder)).argv == first.argv


async def test_what_is_stored_has_no_values_of_variables(
    finder: SpecFinder, env: dict[str, str], good_venv: Path
) -> None:
    choice = await choose(Wish(env=env | {"PATH": "/s3cret"}, python=str(good_venv)), finder)
    assert "s3cret" in choice.env["PATH"]
    assert "s3cret" not in json.dumps(recorded(choice))
