from __future__ import annotations

import contextlib

import pytest

from runtimed.kernels.dependencies.requirements import BadRequirement
from runtimed.kernels.dependencies.script_header import Header, read

HEADER = """\
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "rich",
#   "Requests<3",
# ]
#
# [tool.uv]
# link-mode = "copy"
# ///
"""
FOUND = Header(["requests<3", "rich"], ">=3.11")


@pytest.mark.parametrize(
    "code",
    [
        HEADER,
        HEADER + "import rich\n",
        HEADER.rstrip("\n"),
        "#!/usr/bin/env python3\n" + HEADER,
        '"""What it does."""\n\n' + HEADER,
        "%load_ext x\n!ls 'it\n" + HEADER,
        HEADER.replace("\n", "\r\n"),
    ],
)
def test_the_header_of_a_script(code: str) -> None:
    assert read(code) == FOUND


@pytest.mark.parametrize(
    "code",
    [
        "import rich",
        "# /// script",
        "# /// script\n# dependencies = []\n",
        "# /// pyproject\n# dependencies = ['x']\n# ///\n",
        f'text = """\n{HEADER}"""\n',
        f"text = r'''x\n{HEADER}'''\nopen('x.py', 'w').write(text)",
        f"%%writefile x.py\ntext = '''\n{HEADER}'''\n",
    ],
)
def test_what_is_no_header(code: str) -> None:
    assert read(code) is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('dependencies = "rich"', "must be a list of strings"),
        ("dependencies = [1]", "must be a list of strings"),
        ("requires-python = 3.11", "must be a string"),
        ("requires-python = 'new'", "says no version of Python"),
        ("dependencies = [", "is no TOML"),
        ('dependencies = ["--index-url=x"]', "is an option of an installer"),
    ],
)
def test_a_header_that_cannot_be_followed(body: str, sentence: str) -> None:
    with pytest.raises(BadRequirement, match=sentence):
        read(f"# /// script\n# {body}\n# ///\n")


def test_the_dots_of_versions_are_not_those_of_keys() -> None:
    packages = ", ".join(f"'p{n}==1.2.3'" for n in range(30))
    found = read(f"# /// script\n# dependencies = [{packages}]  # {'.' * 30}\n# ///\n")
    assert found is not None and len(found.dependencies) == 30


def test_two_headers_are_one_too_many() -> None:
    with pytest.raises(BadRequirement, match="two headers"):
        read(HEADER + "\n" + HEADER)


@pytest.mark.parametrize(
    "code",
    [
        "%%time\n" + HEADER,
        'x = \'it\\\'s\' + """a"b\\""""  # it\'s\n' + HEADER,
        "# /// other\n# x\n# ///\n\n" + HEADER,
        "x = 1\n" * 30_000 + HEADER,
    ],
)
def test_a_header_behind_other_things(code: str) -> None:
    assert read(code) == FOUND


@pytest.mark.parametrize(
    "code",
    [
        f"%%writefile x.py\n{HEADER}",
        f"\n%%bash\ncat > x.py <<'E'\n{HEADER}E\n",
        f'text = "it" + """\n\\"""\n{HEADER}',
        f"text = '''\n{HEADER}",
        "# /// script\n# ///\n",
    ],
)
def test_what_is_not_the_cells_own(code: str) -> None:
    assert read(code) is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("dependencies = " + "[" * 5000, "nested too deeply"),
        ("dependencies = []\n# tool.uv.sources.x.index = 'mine'", "where packages come from"),
        ("dependencies = []\n# [[tool.uv.index]]\n# url = 'x'", "where packages come from"),
        ("[tool.uv]\n# index-url = 'http://x'", r"index-url in \[tool.uv\]"),
        ("[tool.uv]\n# find-links = ['x']", "find-links"),
        ("[tool.uv]\n# exclude-newer = '2026-01-01T00:00:00Z'", "exclude-newer"),
        ("[tool.uv.pip]\n# extra-index-url = ['x']", r"extra-index-url in \[tool.uv.pip\]"),
        ("a = " + "9" * 5000, "is no TOML"),
        (f"requires-python = '>=3.{'9' * 5000}'", "says no version of Python"),
        (f"dependencies = ['six; {'(' * 3000}']", "longer than 500 characters"),
        ("dependencies = [" + "'six'," * 250 + "]", "more than 200 packages"),
        ("dependencies = [" + "\n# 'six'," * 1500 + "]", "larger than 8 KiB"),
        ("a." * 21 + "a = 1", "more than 20 dots"),
        ("[" + "a." * 21 + "a]", "more than 20 dots"),
        ('x = {y = """\n# """, ' + "a." * 21 + 'a = """\n# """}', "more than 20 dots"),
    ],
)
def test_what_is_not_followed_is_said(body: str, sentence: str) -> None:
    with pytest.raises(BadRequirement, match=sentence):
        read(f"# /// script\n# {body}\n# ///\n")


@pytest.mark.parametrize(
    "code",
    [
        "# /// script\n" * 1_000_000,
        "# /// script\n# x\n\n" * 500_000,
        "# /// script\n# x\n# ///\n\n" + "'''\\" * 1_000_000,
        "# /// script\n# x\n# ///\n\n" + '"""' * 1_000_001,
        "# /// script\n# x\n# ///\n\n" + "x = '" * 1_000_000,
        "# /// script\n# x\n# ///\n\n" * 200_000,
    ],
)
def test_what_is_made_to_take_long_does_not(code: str) -> None:
    """By the square of its length, each of these would take hours."""
    with contextlib.suppress(BadRequirement):
        read(code)
