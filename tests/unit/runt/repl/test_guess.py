"""Where a kernel does not say whether code is whole."""

from __future__ import annotations

import pytest

from runt.repl.guess import indentation, is_whole


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("python", "1 + 1", True),
        ("python", "f(1,", False),
        ("python", "'''text", False),
        ("python", "if x:", False),
        ("python", "if x:\n    y", False),
        ("python", "if x:\n    y\n", True),
        ("python", "@decorated", False),
        ("python", "1 +", True),  # the kernel says why not
        ("python", "%matplotlib inline", True),
        ("bash", "ls", True),
        ("bash", "ls \\", False),
        ("bash", "for i in 1 2; do", False),
        ("bash", "for i in 1 2; do\n  echo $i\ndone", True),
        ("bash", "if true; then", False),
        ("bash", "if true; then ls; fi", True),
        ("bash", "case $x in", False),
        ("bash", "f() {", False),
        ("bash", "echo 'a", False),
        ("bash", "echo '(' # {", True),
        ("bash", "echo a#b {", False),
        ("typescript", "function f() {", False),
        ("typescript", "function f() { return '}' }", True),
        ("typescript", "const a = `one", False),
        ("typescript", "f(\n  1", False),
        ("typescript", "f(\n  1\n", True),  # an empty line always ends it
        ("julia", "function f(x)", False),
        ("julia", "function f(x) x end", True),
        ("R", "f <- function(x) {", False),
        ("R", "x <- 1 # (", True),
        (None, "anything (at all)", True),
    ],
)
def test_whole(language: str | None, code: str, expected: bool) -> None:
    assert is_whole(code, language) is expected


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("python", "x = 1", ""),
        ("python", "if x:", "    "),
        ("python", "if x:\n    f(", "        "),
        ("python", "if x:\n    y = 1", "    "),
        ("bash", "case x: # no:", ""),
        ("bash", "f() {", "    "),
        ("go", "\tif x {", "\t    "),
    ],
)
def test_indentation(language: str, code: str, expected: str) -> None:
    assert indentation(code, language) == expected
