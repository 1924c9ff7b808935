"""What a client's form becomes: a line, or nothing."""

from __future__ import annotations

from typing import Any

import mcp_types as types
import pytest

from runtimed.mcp.caller import Question, Reply
from runtimed.mcp.callers import reply_of


@pytest.mark.parametrize(
    ("value", "reply"),
    [
        ("Ada", Reply("Ada")),
        (7, Reply("7")),
        ("\ud83d", Reply(declined=True)),  # code cannot be given it
    ],
)
def test_a_form_is_a_line(value: Any, reply: Reply) -> None:
    result = types.ElicitResult.model_construct(action="accept", content={"value": value})
    assert reply_of(Question("?"), result) == reply
