"""Runtimes, executions and blobs as resources, and notifications of their changes."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from runtimed.model.ids import short
from tests.harness.mcp_client import LAST_SESSIONS, LATEST, execution_in, mcp_client, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.client.client import Client

    from tests.harness.daemon import Daemon, State


@pytest.mark.parametrize("revision", [LAST_SESSIONS, LATEST])
async def test_what_is_in_sight_can_be_read(
    state: State, shared: str, daemon: Daemon, revision: str
) -> None:
    async with mcp_client(state, revision) as client:
        said = await say(client, "run_code", code="print('for the record')", runtime=shared)
        listed = {each.name: str(each.uri) for each in (await client.list_resources()).resources}
        found = (await client.read_resource(listed[f"execution {execution_in(said)}"])).contents[0]
        assert isinstance(found, types.TextResourceContents)
        assert found.text.startswith(f"execution {execution_in(said)} · done in")
        assert "for the record" in found.text

        found = (await client.read_resource("runtimed://runtimes")).contents[0]
        assert isinstance(found, types.TextResourceContents)
        (runtime,) = [each for each in json.loads(found.text) if each["name"] == shared]
        assert listed[shared] == f"runtimed://runtimes/{runtime['id']}"
        found = (await client.read_resource(listed[shared])).contents[0]
        assert isinstance(found, types.TextResourceContents)
        assert json.loads(found.text)["kernel_name"] == runtime["kernel_name"]

        templates = (await client.list_resource_templates()).resource_templates
        assert [each.uri_template for each in templates] == [
            *("runtimed://runtimes/{id}", "runtimed://executions/{id}"),
            "runtimed://blobs/{sha256}",
        ]
        for uri in ("runtimed://", "runtimed://x/y", "file:///etc/passwd", "runtimed://runtimes/"):
            with pytest.raises(MCPError, match="There is no resource"):
                await client.read_resource(uri)


async def test_a_blob_is_read_by_who_sees_what_refers_to_it(state: State, daemon: Daemon) -> None:
    text = "y" * 400_000
    digest = sha256(text.encode()).hexdigest()
    code = "from IPython.display import display\ndisplay({'text/x-big': 'y' * 400_000}, raw=True)"
    runtime = daemon.call("runtime.start", name="with-blob")
    daemon.call("execution.eval", runtime=runtime["id"], code=code)
    async with mcp_client(state) as client:
        with pytest.raises(MCPError, match="There is no resource"):
            await client.read_resource(f"runtimed://blobs/{digest}")
        daemon.call("runtime.share", runtime=runtime["id"])
        found = (await client.read_resource(f"runtimed://blobs/{digest}")).contents[0]
        assert isinstance(found, types.BlobResourceContents)
        assert b64decode(found.blob).decode() == text


@pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning")
async def test_sessions_are_told_of_changes(state: State, shared: str, daemon: Daemon) -> None:
    changed: asyncio.Queue[str] = asyncio.Queue()

    async def heard(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            changed.put_nowait(str(message.params.uri))

    async with mcp_client(state, LAST_SESSIONS, message_handler=heard) as client:
        offered = client.server_capabilities.resources
        assert offered is not None and offered.subscribe and not offered.list_changed
        async with _waiting(client, shared, daemon) as uri:
            await client.subscribe_resource(uri)
            await client.subscribe_resource(f"runtimed://executions/{short(uri[-26:])}")
        async with asyncio.timeout(30):
            heard_of = {await changed.get() for _ in range(2)}
        assert heard_of == {uri, f"runtimed://executions/{short(uri[-26:])}"}
        await say(client, "start_runtime", name="told of")
        await client.subscribe_resource("runtimed://runtimes/told%20of")
        await say(client, "stop_runtime", runtime="told of")
        async with asyncio.timeout(30):
            while await changed.get() != "runtimed://runtimes/told%20of":
                pass
        unseen = daemon.call("runtime.start", name="unseen")["id"]
        for unknown in (unseen, "unseen", "nobody"):
            with pytest.raises(MCPError, match="There is no resource"):
                await client.subscribe_resource(f"runtimed://runtimes/{unknown}")
        await client.unsubscribe_resource(uri)


async def test_listeners_are_told_of_changes(state: State, shared: str, daemon: Daemon) -> None:
    from mcp.shared.subscriptions import ResourceUpdated

    unseen = daemon.call("runtime.start", name="unseen-as-well")["id"]
    hidden = f"runtimed://runtimes/{unseen}"
    async with mcp_client(state, LATEST) as client:
        async with _waiting(client, shared, daemon) as uri:
            by_short_id = f"runtimed://executions/{short(uri[-26:])}"
            listening = client.listen(resource_subscriptions=[uri, hidden, by_short_id])
            stream = await listening.__aenter__()
            assert stream.honored.resource_subscriptions == [uri, by_short_id]
        heard = aiter(stream)
        async with asyncio.timeout(30):
            assert await anext(heard) == ResourceUpdated(uri)
            assert await anext(heard) == ResourceUpdated(by_short_id)
        await listening.__aexit__(None, None, None)


async def test_nobody_is_told_of_what_is_not_in_sight(state: State, daemon: Daemon) -> None:
    from mcp.shared.subscriptions import ResourceUpdated

    once = daemon.call("runtime.start", name="shared-once")["id"]
    daemon.call("runtime.share", runtime=once)
    uris = [f"runtimed://runtimes/{once}", "runtimed://runtimes"]
    async with mcp_client(state, LATEST, name="listener") as client:
        listening = client.listen(resource_subscriptions=uris, resources_list_changed=True)
        stream = await listening.__aenter__()
        heard = aiter(stream)
        daemon.call("runtime.share", runtime=once, shared=False)
        seen = [await anext(heard), await anext(heard)]
        assert ResourceUpdated(uris[1]) in seen and ResourceUpdated(uris[0]) not in seen
        daemon.call("runtime.stop", runtime=once)
        unseen = daemon.call("runtime.start", name="started-unseen")["id"]
        daemon.call("runtime.stop", runtime=unseen)
        # The next that is heard is of its own start.
        assert not await _has_next(heard)
        await listening.__aexit__(None, None, None)


async def _has_next(stream: AsyncIterator[Any]) -> bool:
    try:
        async with asyncio.timeout(1):  # five times what changes are gathered in
            await anext(stream)
    except TimeoutError:
        return False
    return True


@asynccontextmanager
async def _waiting(client: Client, runtime: str, daemon: Daemon) -> AsyncIterator[str]:
    """Have an execution that waits for input, and gets it at the end; yield its address."""
    said = await say(client, "run_code", code="input()", runtime=runtime)
    execution = daemon.call("execution.get", execution=execution_in(said))["id"]
    yield f"runtimed://executions/{execution}"
    daemon.call("execution.input", execution=execution, value="x")
