"""What a caller wants started, checked before anything is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import InvalidParams
from runtimed.kernels import launch
from runtimed.kernels.environments import Wish

if TYPE_CHECKING:
    from runtimed.api.executions import ExecutionEval, ExecutionSubmit
    from runtimed.api.notebooks import RunParameters
    from runtimed.api.runtimes import RuntimeStart


def wish_of(call: RuntimeStart | ExecutionSubmit | ExecutionEval | RunParameters[Any]) -> Wish:
    """Return the wish of a call. Raises `InvalidParams`, naming what is wrong."""
    for name, path in (("cwd", call.cwd), ("project", call.project)):
        if path is not None and (not os.path.isabs(path) or "\0" in path):
            raise InvalidParams(detail=f"{name} must be an absolute path - at `$.{name}`")
    for variable, value in (call.env or {}).items():
        if not variable or "=" in variable or "\0" in variable:
            raise InvalidParams(detail=f"{variable!r} cannot name a variable - at `$.env`")
        if "\0" in value:
            # The value itself is not to be repeated anywhere.
            raise InvalidParams(detail=f"the value of {variable} has a NUL - at `$.env`")
    return Wish(
        kernel=call.kernel_name,
        python=call.environment,
        env=call.env or launch.own_environment(),
        project=call.project,
        cwd=call.cwd or call.project,
    )
