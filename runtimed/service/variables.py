"""Handler of the call that looks into a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.runtimes import RuntimeVariables
from runtimed.kernels.variables import look
from runtimed.service.binding import Caller, serves
from runtimed.service.references import find_runtime
from runtimed.service.runtimes import living

if TYPE_CHECKING:
    from runtimed.api.types import Variables
    from runtimed.service.context import Context


@serves(RuntimeVariables)
async def runtime_variables(context: Context, call: RuntimeVariables, caller: Caller) -> Variables:
    actor = living(context, find_runtime(context, call.runtime))
    await context.supervisor.keeper()
    with caller.waiting():
        return await look(actor)
