"""Start a runtime for an agent, without waiting longer than its call may take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtimed.api.environments import EnvironmentList, EnvironmentPrepare
from runtimed.api.errors import ApiError, KernelNotFound, NameTaken
from runtimed.api.runtimes import RuntimeStart
from runtimed.mcp.answer import NotThere, ToolFailure
from runtimed.mcp.lines import clipped
from runtimed.mcp.undoing import stopping

if TYPE_CHECKING:
    from runtimed.api.environments import Prepared
    from runtimed.api.types import Runtime
    from runtimed.mcp.caller import Caller
    from runtimed.mcp.desk import Desk
    from runtimed.mcp.waiting import Wait

#: Seconds that a start has, at least: a call that waits for nothing still needs its runtime.
START_S = 20.0
#: What makes a Python file name its packages (PEP 723).
_HEADER = "# /// script"


class NotYet(ToolFailure):
    """What it takes goes on being made ready; asking again finds it further on."""

    exit_code = 124


@dataclass(frozen=True, slots=True)
class Wish:
    """What kind of runtime it is to be."""

    kernel: str | None = None
    dependencies: list[str] | None = None
    code: str | None = None
    name: str | None = None
    cwd: str | None = None


async def start(desk: Desk, wait: Wait, wish: Wish, caller: Caller) -> Runtime:
    """Start a runtime. Raises `NotYet` where that takes longer than the wait, and `ApiError`."""
    found = await prepared(desk, wait, wish)
    call = RuntimeStart(
        kernel_name=wish.kernel,
        dependencies=found.dependencies if found else None,
        requires_python=found.requires_python if found else None,
        name=wish.name,
        **desk.start_parameters(wish.cwd),
    )
    starting = desk.outliving(call)
    caller.began(stopping(desk, starting))
    try:
        async with asyncio.timeout(max(START_S, wait.left_s)):
            runtime = await asyncio.shield(starting)
        if isinstance(runtime, ApiError):
            raise runtime
        return runtime
    except NameTaken:
        # Whose it is, and whether it is a name or something else that it goes by, is not told.
        raise ToolFailure(
            f"No runtime can be called {clipped(wish.name or '', 100)} now. Choose another name, "
            "or leave `name` out. Nothing was started."
        ) from None
    except KernelNotFound:
        raise NotThere(await _kernels(desk, wish)) from None
    except TimeoutError:
        raise NotYet(
            "The runtime is still starting, and goes on doing so: list_runtimes shows its name."
        ) from None


async def _kernels(desk: Desk, wish: Wish) -> str:
    """Say which kernels there are, where the one that was wished for is not."""
    env = desk.start_parameters()["env"]
    found = await desk.call(EnvironmentList(env=env, project=desk.scope.project))
    names = [each.name for each in found if each.kind == "kernelspec" and not each.unusable]
    there = ", ".join(dict.fromkeys(names)) or "none but the usual Python: leave `kernel` out"
    return clipped(f"No kernelspec is called {wish.kernel}. There are: {there}.", 1000)


async def prepared(desk: Desk, wait: Wait, wish: Wish) -> Prepared | None:
    """Return what a runtime is started with; its environment is built by then, if it has one.

    Raises `NotYet` while it is being built.
    """
    if not wish.dependencies and (wish.code is None or _HEADER not in wish.code):
        return None
    found = await desk.call(
        EnvironmentPrepare(
            dependencies=wish.dependencies,
            code=wish.code,
            kernel_name=wish.kernel,
            wait_s=wait.left_s,
            **desk.start_parameters(wish.cwd),
        )
    )
    if found.status in ("building", "waiting"):
        state = "being built" if found.status == "building" else "waiting for others to be built"
        raise NotYet(
            f"The environment with {', '.join(found.dependencies)} is still {state}, which "
            "goes on by itself and happens once. Make the same call again in a while."
        )
    return None if found.status == "not_needed" else found
