"""JSON with comments is edited in place: what is not edited stays, byte for byte."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runt.mcp_clients.jsonc import Malformed, value_at, with_member, without_member

OURS = {"command": "/opt/runt", "args": ["mcp"]}
PATH = ("mcpServers", "runtimed")

COMMENTED = """\
// My editor's servers.
{
    "theme": "dark", // at night
    "mcpServers": {
        /* github's own */
        "github": {"url": "https://mcp.example/?a=1//2"}, // keep
        "files": {
            "command": "npx",
            "args": ["-y", "files",],
        },
    },
    "last": 1e3
}
"""
ADDED = """\
        "runtimed": {
            "command": "/opt/runt",
            "args": [
                "mcp"
            ]
        },
"""


def test_a_server_is_added_behind_the_others_and_nothing_else_changes() -> None:
    edited = with_member(COMMENTED, PATH, OURS)
    assert edited == COMMENTED.replace("        },\n    },", f"        }},\n{ADDED}    }},")
    assert value_at(edited, PATH) == OURS
    assert with_member(edited, PATH, OURS) == edited
    assert without_member(edited, PATH) == COMMENTED


def test_a_comment_ends_where_its_line_does() -> None:
    text = '{\r\n  "a": {\r\n    "o": 1 // z\r\n  }\r\n}\r\n'
    edited = with_member(text, ("a", "b"), 2)
    assert edited == text.replace("1 // z\r\n", '1, // z\r\n    "b": 2\r\n')
    assert without_member(edited, ("a", "b")) == text


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("", '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("\ufeff{}", '\ufeff{\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"x": 1}', '{"x": 1, "a": {"b": 1}}'),
        ('{"a": {}, "x": 1}', '{"a": {\n  "b": 1\n}, "x": 1}'),
        ('{"a": {"c": 2}}', '{"a": {"c": 2, "b": 1}}'),
        ('{"a": {"b": 2}}', '{"a": {"b": 1}}'),
        ('{\n\t"x": 1 // one\n}', '{\n\t"x": 1, // one\n\t"a": {\n\t\t"b": 1\n\t}\n}'),
        ('{\r\n  "x": 1\r\n}\r\n', '{\r\n  "x": 1,\r\n  "a": {\r\n    "b": 1\r\n  }\r\n}\r\n'),
        ("{\n  // nothing yet\n}", '{\n  // nothing yet\n  "a": {\n    "b": 1\n  }\n}'),
    ],
)
def test_where_a_value_goes(text: str, edited: str) -> None:
    assert with_member(text, ("a", "b"), 1) == edited


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"a": {"b": 1}}', '{"a": {}}'),
        ('{"a": {"b": 1, "c": 2}}', '{"a": {"c": 2}}'),
        ('{"a": {"c": 2, "b": 1}}', '{"a": {"c": 2}}'),
        ('{"a": {"b": 1, "b": 2}}', '{"a": {}}'),
        (
            '{\n "a": {\n  "c": 2,\n  // of b\n  "b": 1\n }\n}',
            '{\n "a": {\n  "c": 2\n  // of b\n }\n}',
        ),
        ('{"x": 1}', '{"x": 1}'),
    ],
)
def test_what_is_left(text: str, left: str) -> None:
    assert without_member(text, ("a", "b")) == left


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,\n "b" 2}', "line 2, column 6: '2'"),
        ('{"a": [1, 2}', "line 1, column 12: '}'"),
        ('{"a": "b', "line 1, column 7"),
        ("{} {}", "line 1, column 4"),
        ("{a: 1}", "line 1, column 2: 'a'"),
        ('{"mcpServers": []}', "mcpServers is no object"),
        ('{"mcpServers": null}', "mcpServers is no object"),
        ("[]", "the whole is no object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": 01x}', "line 1"),
    ],
)
def test_what_is_no_json_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(Malformed, match=re.escape(said)):
        with_member(text, PATH, OURS)


_KEYS = st.sampled_from(["a", "b", "mcpServers", "", "é\n"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(_KEYS, st.dictionaries(_KEYS, _VALUES, max_size=3), max_size=4)
_SPACING = st.sampled_from([None, 1, 4, "\t"])


@given(_OBJECTS, _SPACING, st.tuples(_KEYS, _KEYS), _VALUES)
def test_an_edit_is_what_an_assignment_is(
    document: dict[str, Any], indent: Any, path: tuple[str, str], value: Any
) -> None:
    text = json.dumps(document, indent=indent)
    expected = json.loads(text)
    expected.setdefault(path[0], {})[path[1]] = value
    edited = with_member(text, path, value)
    assert json.loads(edited) == expected
    assert list(json.loads(edited)) == list(expected)
    del expected[path[0]][path[1]]
    assert json.loads(without_member(edited, path)) == expected
