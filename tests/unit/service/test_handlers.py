"""Each call of the API has exactly one handler."""

from __future__ import annotations

from runtimed.api.registry import REGISTRY
from runtimed.service.handlers import HANDLERS


def test_every_call_has_a_handler_and_every_handler_a_call() -> None:
    # A second handler for a call is refused when it is bound.
    assert set(HANDLERS) == set(REGISTRY.values())
