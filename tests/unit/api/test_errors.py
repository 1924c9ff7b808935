"""Errors on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.api.error_tree import from_wire, tree
from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from runtimed.api.errors import ApiError


@pytest.mark.parametrize("cls", tree(), ids=lambda cls: cls.__name__)
def test_an_error_is_the_same_at_the_other_end(cls: type[ApiError]) -> None:
    data = {name: ["x"] if hint == list[str] else "x" for name, hint in cls.fields().items()}
    sent = cls(**data).to_wire()
    received = from_wire(sent)
    assert type(received) is cls
    assert received.data == data
    assert str(received) == sent["message"]
    assert (CallFailed(sent).name, CallFailed(sent).exit_code) == (cls.__name__, cls.exit_code)
