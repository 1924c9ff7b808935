"""``stop_runtime``: end a runtime of the agent's own, or another if the person agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.runtimes import RuntimeStop
from runtimed.mcp.answer import Answer, Text, ToolFailure
from runtimed.mcp.caller import Question

if TYPE_CHECKING:
    from runtimed.api.types import Runtime
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import StopRuntime
    from runtimed.mcp.desk import Desk


async def stop_runtime(desk: Desk, args: StopRuntime, caller: Caller) -> Answer:
    """Stop it, and say how that went. Raises `ToolFailure`, `Asked`."""
    runtime = await desk.sight.runtime(args.runtime)
    if runtime.status == "dead":
        return Answer(
            [Text(f"runtime {runtime.name} was dead already; its output is still there.")]
        )
    if not desk.sight.is_own(runtime):
        await _agreed(runtime, desk, caller)
    force = runtime.origin == "adopted"
    ended = await desk.call(RuntimeStop(runtime=runtime.id, force=force))
    return Answer(
        [
            Text(
                f"runtime {runtime.name} · stopped ({ended.how}). Its variables are gone; what it "
                "put out is still there for get_output and search_history."
            )
        ]
    )


async def _agreed(runtime: Runtime, desk: Desk, caller: Caller) -> None:
    """Ask the person. Raises `ToolFailure` where that is not possible, or the answer is no."""
    if not caller.can_ask:
        raise ToolFailure(
            f"Runtime {runtime.name} was not started by you, so it was not stopped. The person can "
            f"do that with `runt stop {runtime.short_id}`."
        )
    question = Question(
        f"{desk.agent} wants to stop the runtime {runtime.name} ({runtime.kernel_name}, in "
        f"{runtime.cwd}), which it did not start. Its variables would be lost. Stop it?",
        kind="confirmation",
    )
    reply = await caller.ask(question, runtime.id)
    if reply.declined:
        raise ToolFailure(f"The person does not want runtime {runtime.name} to be stopped.")
