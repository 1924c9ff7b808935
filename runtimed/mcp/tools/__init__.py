"""The tools: each is a function of a desk, its arguments and its caller. No SDK here.

`call` is the one way in: whatever a model wrote goes in, an `Answer` comes out, a failure too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtimed.api.errors import (
    ApiError,
    DaemonUnreachable,
    NotFound,
    NotRuntimed,
    RuntimeDead,
    Unavailable,
)
from runtimed.mcp.answer import Answer, ToolFailure, refused
from runtimed.mcp.arguments import BadArguments, known, parse
from runtimed.mcp.caller import UNATTENDED
from runtimed.mcp.tools.get_output import get_output
from runtimed.mcp.tools.interrupt_execution import interrupt_execution
from runtimed.mcp.tools.list_runtimes import list_runtimes
from runtimed.mcp.tools.list_variables import list_variables
from runtimed.mcp.tools.run_code import run_code
from runtimed.mcp.tools.search_history import search_history
from runtimed.mcp.tools.send_input import send_input
from runtimed.mcp.tools.start_runtime import start_runtime
from runtimed.mcp.tools.stop_runtime import stop_runtime
from runtimed.mcp.tools.wait_execution import wait_execution

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runtimed.mcp.caller import Caller
    from runtimed.mcp.desk import Desk

#: Every tool's function, by the tool's name.
FUNCTIONS: dict[str, Callable[[Desk, Any, Caller], Awaitable[Answer]]] = {
    function.__name__: function
    for function in (
        run_code,
        get_output,
        wait_execution,
        interrupt_execution,
        send_input,
        list_runtimes,
        start_runtime,
        stop_runtime,
        list_variables,
        search_history,
    )
}


async def call(desk: Desk, name: str, raw: object, caller: Caller = UNATTENDED) -> Answer:
    """Call a tool by name with arguments as a model wrote them. Raises `Asked`, and nothing else.

    A tool that is not there, arguments that do not fit and what the daemon refuses are answers
    with ``is_error``, whose text says what to do.
    """
    try:
        tool = known(name)
        if desk.scope.read_only and not tool.reads_only:
            return refused(f"{name} is not offered: this server was set up to read only.")
        return await FUNCTIONS[name](desk, parse(tool, raw), caller)
    except (BadArguments, ToolFailure) as failure:
        return refused(str(failure), failure.exit_code)
    except ApiError as error:
        return refused(_words(error), error.exit_code)


def _words(error: ApiError) -> str:
    """Return the failure, with what can be done about it where that is not in it."""
    text = error.message()
    if isinstance(error, DaemonUnreachable | NotRuntimed):
        end = "" if text.endswith(".") else "."
        return f"{text}{end} Tell the person, who can look with `runt doctor`; what ran goes on."
    if isinstance(error, Unavailable):
        return f"{text} Nothing is lost that was accepted; try again in a moment."
    if isinstance(error, RuntimeDead):
        return f"{text} run_code without `runtime`, or start_runtime, begins anew."
    if isinstance(error, NotFound):
        return text.replace("`runt ps` lists them", "list_runtimes lists those that you may use")
    return text
