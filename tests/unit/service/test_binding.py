"""Binding handlers to calls."""

from __future__ import annotations

from typing import Any

import pytest

from runtimed.api.daemon import DaemonHello, DaemonStop, Hello
from runtimed.api.types import Nothing
from runtimed.service.binding import Caller, Handlers


def test_a_second_handler_is_refused() -> None:
    handlers = Handlers()

    @handlers.serves(DaemonStop)
    async def stop(ctx: Any, call: DaemonStop) -> Nothing:
        return Nothing()

    with pytest.raises(TypeError, match="DaemonStop has two handlers"):
        handlers.serves(DaemonStop)(stop)


def test_a_handler_of_another_call_is_refused() -> None:
    async def stop(ctx: Any, call: DaemonHello) -> Nothing:
        return Nothing()

    with pytest.raises(TypeError, match=r"stop serves DaemonStop, but takes .*DaemonHello"):
        Handlers().serves(DaemonStop)(stop)


def test_a_handler_that_is_not_async_is_refused() -> None:
    def stop(ctx: Any, call: DaemonStop) -> Any:
        return None

    with pytest.raises(TypeError, match="must be async"):
        Handlers().serves(DaemonStop)(stop)


def test_a_handler_with_other_parameters_is_refused() -> None:
    async def stop(call: DaemonStop) -> Nothing:
        return Nothing()

    with pytest.raises(TypeError, match="take ctx, call"):
        Handlers().serves(DaemonStop)(stop)


async def test_handlers_with_and_without_their_caller() -> None:
    handlers = Handlers()
    caller: Any = object()

    @handlers.serves(DaemonStop)
    async def stop(ctx: Any, call: DaemonStop) -> Nothing:
        assert ctx == "context"
        return Nothing()

    @handlers.serves(DaemonHello)
    async def hello(ctx: Any, call: DaemonHello, caller: Caller) -> Hello:
        return Hello(service=str(caller), version="", protocol=[], pid=0, state_dir="")

    assert await handlers[DaemonStop]("context", DaemonStop(), caller) == Nothing()
    assert (await handlers[DaemonHello]("context", DaemonHello(), caller)).service == str(caller)
