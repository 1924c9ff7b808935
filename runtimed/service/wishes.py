"""What a caller wants started, checked before anything is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

from runtimed.api.errors import InvalidParams
from runtimed.kernels import launch
from runtimed.kernels.dependencies.requirements import BadRequirement, check_python, normalized
from runtimed.kernels.dependencies.script_header import read
from runtimed.kernels.environments import Wish

if TYPE_CHECKING:
    from runtimed.api.environments import EnvironmentPrepare
    from runtimed.api.executions import ExecutionEval, ExecutionSubmit
    from runtimed.api.notebooks import RunParameters
    from runtimed.api.runtimes import RuntimeStart

    Starting: TypeAlias = (
        RuntimeStart | ExecutionSubmit | ExecutionEval | EnvironmentPrepare | RunParameters[Any]
    )


def wish_of(call: Starting) -> Wish:
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
        **_packages(call),
    )


def _packages(call: Starting) -> dict[str, Any]:
    """Return of a wish which packages, and which Python, it is to have."""
    asked = getattr(call, "dependencies", None) or []
    code = getattr(call, "code", None) or ""
    requires: str | None = getattr(call, "requires_python", None)
    try:
        dependencies = normalized(asked)
    except BadRequirement as problem:
        raise InvalidParams(detail=f"{problem} - at `$.dependencies`") from None
    try:
        requires = None if requires is None else check_python(requires)
    except BadRequirement as problem:
        raise InvalidParams(detail=f"{problem} - at `$.requires_python`") from None
    header = header_problem = None
    try:
        header = read(code)
    except BadRequirement as problem:
        header_problem = str(problem)  # where it is Python's
    has_header = header is not None or header_problem is not None
    return {
        "dependencies": sorted({*dependencies, *(header.dependencies if header else ())}),
        "requires_python": requires or (header.requires_python if header else None),
        "dependencies_are_of_code": has_header and not dependencies and requires is None,
        "header_problem": header_problem,
    }
