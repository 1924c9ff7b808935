"""``run_code``: run code in a runtime, wait a while, return what came of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtimed.api.errors import ApiError, DaemonUnreachable, NotRuntimed, ShuttingDown
from runtimed.api.executions import ExecutionSubmit
from runtimed.api.runtimes import RuntimeGet
from runtimed.client.ids import new_id
from runtimed.mcp.answer import Answer, ToolFailure
from runtimed.mcp.sight import described
from runtimed.mcp.starting import START_S, NotYet, Wish, prepared, start
from runtimed.mcp.telling import told
from runtimed.mcp.undoing import interrupting
from runtimed.mcp.waiting import Wait, execution_resumed
from runtimed.model.ids import short

if TYPE_CHECKING:
    from runtimed.api.types import Execution
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.definitions import RunCode
    from runtimed.mcp.desk import Desk


_GONE = (DaemonUnreachable, NotRuntimed, ShuttingDown)


class _Lost(ToolFailure):
    """The daemon went away under the call; its code may have been accepted, and then it runs."""

    def __init__(self, id: str, error: ApiError) -> None:
        words = error.message()
        super().__init__(
            f"execution {short(id)} · {words}{'' if words.endswith('.') else '.'} If the code had "
            "been accepted it runs on, so do not run it again: call wait_execution(execution="
            f"{short(id)!r}) when runtimed is back; it was not run if that does not find it. The "
            "person can look with `runt doctor`."
        )
        self.exit_code = error.exit_code


async def run_code(desk: Desk, args: RunCode, caller: Caller) -> Answer:
    """Run it in the runtime named, the project's, or a new one. Raises `ToolFailure`, `Asked`."""
    wait = Wait(desk, caller, args.wait_s)
    if caller.resume is not None:
        # It was submitted in an earlier round of this call, and the person has answered.
        found = await desk.sight.execution(execution_resumed(caller.resume))
        accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        accepted.set_result(None)
        caller.began(interrupting(desk, found.id, accepted))
        try:
            execution = await wait.attend(found.id)
            return await told(desk, execution, args.max_chars, notes=wait.notes)
        except _GONE as error:
            raise _Lost(found.id, error) from None
    id = new_id()
    try:
        submission, notes = await _submission(desk, args, id, wait, caller)
    except NotYet as not_yet:
        raise NotYet(f"{not_yet} The code was not run.") from None
    begun = False

    async def begin() -> Execution:
        nonlocal begun
        begun = True
        return await _submitted(desk, submission, wait, caller)

    try:
        execution = await wait.attend(id, begin)
        if execution.status == "kernel_died":
            notes = notes[1:]  # in that one nothing goes on
        if args.runtime is None and desk.scope.project and execution.execution_count == 1:
            # The first in its kernel: whether that was there before, the notices say.
            runtime = await desk.call(RuntimeGet(runtime=execution.runtime.id))
            notes = (*notes, *desk.news(runtime.notices))
        return await told(desk, execution, args.max_chars, notes=(*wait.notes, *notes))
    except _GONE as error:
        if not begun:
            raise
        raise _Lost(id, error) from None


async def _submitted(
    desk: Desk, submission: ExecutionSubmit, wait: Wait, caller: Caller
) -> Execution:
    """Submit the code. Where the call is cancelled meanwhile, it is known what that cancels."""
    id = submission.id or ""
    accepted = desk.outliving(submission)
    caller.began(interrupting(desk, id, accepted))
    try:
        async with asyncio.timeout(max(START_S, wait.left_s)):
            found = await asyncio.shield(accepted)
    except TimeoutError:
        raise ToolFailure(
            "The runtime is still starting; the code runs when it is ready. Call wait_execution("
            f"execution={short(id)!r}) in a while; do not run it again."
        ) from None
    if isinstance(found, ApiError):
        raise found
    return found


async def _submission(
    desk: Desk, args: RunCode, id: str, wait: Wait, caller: Caller
) -> tuple[ExecutionSubmit, tuple[str, ...]]:
    """Return what is submitted, and what the model is told besides."""
    if args.runtime is not None:
        if args.kernel is not None or args.dependencies:
            raise ToolFailure(
                "`kernel` and `dependencies` are for a new runtime: leave `runtime` out, or call "
                "start_runtime. Nothing was run."
            )
        runtime = await desk.sight.runtime(args.runtime)
        return ExecutionSubmit(code=args.code, runtime=runtime.id, id=id), ()
    wish = Wish(args.kernel, args.dependencies, code=args.code)
    if desk.scope.project is not None:
        await prepared(desk, wait, wish)
        submission = ExecutionSubmit(
            code=args.code,
            id=id,
            project=desk.scope.project,
            kernel_name=args.kernel,
            dependencies=args.dependencies,
            **desk.start_parameters(),
        )
        return submission, ()
    runtime = await start(desk, wait, wish, caller)
    note = (
        f"It is a new runtime: pass runtime={described(runtime)!r} to run_code to go on in it, "
        "with these variables."
    )
    return ExecutionSubmit(code=args.code, runtime=runtime.id, id=id), (
        note,
        *desk.news(runtime.notices),
    )
