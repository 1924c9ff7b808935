"""The daemon is away for a while: what ran goes on, and who listened hears again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from tests.harness.mcp_client import LAST_SESSIONS, LATEST, mcp_client, say, text_of

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State


@pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning")
async def test_a_daemon_that_cannot_be_started_for_a_while(
    state: State, daemon: Daemon, tmp_path: Path
) -> None:
    changed: asyncio.Queue[str] = asyncio.Queue()
    go, begun = tmp_path / "go", tmp_path / "begun"
    config = Path(state.env["HOME"]) / ".config" / "runtimed" / "config.toml"
    code = (
        f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\nprint('over')"
    )

    async def heard(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            changed.put_nowait(str(message.params.uri))

    async with mcp_client(state, LAST_SESSIONS, message_handler=heard) as client:
        await say(client, "start_runtime", name="stays")
        await client.subscribe_resource("runtimed://runtimes/stays")
        async with asyncio.TaskGroup() as group:
            arguments = {"code": code, "runtime": "stays", "wait_s": 60}
            call = group.create_task(client.call_tool("run_code", arguments))
            async with asyncio.timeout(30):
                while not begun.exists():
                    await asyncio.sleep(0.02)
            config.parent.mkdir(parents=True)
            config.write_text("= broken")
            daemon.kill()
        said = text_of(call.result())
        assert call.result().is_error and "do not run it again" in said
        id = said.split("wait_execution(execution='")[1].split("'")[0]
        async with mcp_client(state, LATEST, name="another") as other:
            with pytest.raises(MCPError, match="Not subscribed"):
                async with other.listen(resources_list_changed=True):
                    pass
        config.unlink()
        go.touch()
        # Who needs the daemon starts it.
        assert "over" in await say(client, "wait_execution", execution=id)
        while not changed.empty():
            changed.get_nowait()
        daemon.call("runtime.rename", runtime="stays", name="stayed")
        async with asyncio.timeout(60):
            while await changed.get() != "runtimed://runtimes/stays":
                pass
