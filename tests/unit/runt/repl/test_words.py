"""What the REPL says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from runt.repl.kernel import question
from runt.repl.words import end_of, entered, farewell, who

ID = "01J8ZQ4X8Y6D7N5K3M2P1R0S9T"
EXPORT = "To export a notebook from your session, run\nrunt export 2p1r0s9t --notebook\n"


def test_the_missions_words() -> None:
    assert farewell(ID, errors=0) == f'Runtime "2p1r0s9t" exited with no errors. {EXPORT}'


@pytest.mark.parametrize(
    ("errors", "end", "said"),
    [
        (1, "exited", "exited after an error in 1 cell."),
        (3, "exited", "exited after errors in 3 cells."),
        (0, "kept", "keeps running; `runt run --attach 2p1r0s9t` joins it again."),
        (1, "died (signal 9)", "died (signal 9)."),
    ],
)
def test_other_ends(errors: int, end: str, said: str) -> None:
    assert farewell(ID, errors=errors, end=end) == f'Runtime "2p1r0s9t" {said} {EXPORT}'


@pytest.mark.parametrize(
    ("by", "notebook", "expected"),
    [
        ({"client": "foreign", "pid": None}, None, "foreign"),
        ({"client": "foreign", "pid": None}, "a.ipynb", "foreign, a.ipynb"),
        ({"client": "runt", "pid": 7}, None, "runt, pid 7"),
        ({"client": "a\x1b[2J", "pid": None}, None, "a\N{REPLACEMENT CHARACTER}[2J"),
    ],
)
def test_who(by: dict[str, Any], notebook: str | None, expected: str) -> None:
    assert who({"requested_by": by, "runtime": {"notebook": notebook}}) == expected


def test_others_code() -> None:
    assert entered("[x]", 3, "a\nb") == "[x] In [3]: a\n       ...: b\n"
    assert entered("[x]", None, "") == "[x] In [*]: (code not recorded)\n"
    assert "\x1b" not in entered("[x]", 1, "'\x1b[2J'")
    long = entered("[x]", 1, "\n".join("x" * 30)).splitlines()
    assert (len(long), long[-1].strip()) == (21, "...: … 10 more lines")


def test_how_it_ended() -> None:
    assert end_of({"exit": {"code": None, "signal": 9, "reason": "signal"}}) == "signal 9"
    assert end_of({"exit": {"code": 3, "signal": None, "reason": "exit"}}) == "exit 3"
    assert end_of({"exit": None}) == "how is not known"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("len?", ("len", 0)),
        ("os.path??", ("os.path", 1)),
        ("?len", ("len", 0)),
        ("%timeit?", ("%timeit", 0)),
        ("len", None),
        ("a ? b : c", None),
        ("x == '?'", None),
        ("?", None),
        ("f(x)?", None),
    ],
)
def test_questions(code: str, expected: tuple[str, int] | None) -> None:
    assert question(code) == expected
