"""What is said of resources where nobody can be asked for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from runtimed.api.errors import DaemonUnreachable
from runtimed.mcp import resources


class _Sight:
    async def _asked(self, *_: object) -> Any:
        raise DaemonUnreachable(socket="s", detail="it cannot be started")

    runtimes = runtime = execution = runtime_ids = _asked


@pytest.mark.parametrize("uri", ["runtimed://runtimes", "runtimed://runtimes/a"])
async def test_that_the_daemon_is_away_is_no_fact_of_a_resource(uri: str) -> None:
    desk = SimpleNamespace(sight=_Sight())
    hall = SimpleNamespace(desks=SimpleNamespace(of=lambda _: desk), subscriptions=None)
    session = SimpleNamespace(client_params=None)
    ctx: Any = SimpleNamespace(
        lifespan_context=hall, session=session, request=None, protocol_version="any"
    )
    calls: list[Any] = [
        resources.list_resources(ctx, None),
        resources.read_resource(ctx, types.ReadResourceRequestParams(uri=uri)),
    ]
    if uri != resources.RUNTIMES:  # that is there, whatever is in it
        calls.append(resources.subscribe(ctx, types.SubscribeRequestParams(uri=uri)))
    for call in calls:
        with pytest.raises(MCPError, match="cannot be started") as refused:
            await call
        assert refused.value.error.code == types.INTERNAL_ERROR
