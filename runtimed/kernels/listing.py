"""What can be started, for ``environment.list``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtimed.api.errors import ApiError, KernelDidNotStart
from runtimed.api.types import Environment
from runtimed.kernels import diagnosis, pythons
from runtimed.kernels.environments import Wish, choice_of_spec, pick

if TYPE_CHECKING:
    from runtimed.kernels.environments import Pick
    from runtimed.kernels.specs import Spec, SpecFinder


async def list_environments(
    env: dict[str, str], project: str | None, finder: SpecFinder
) -> list[Environment]:
    """Return what the caller could start: kernelspecs by name, then Python environments.

    ``default`` marks the one that it gets without asking for any; it may be unusable.
    """
    wish = Wish(env=env, project=project)
    specs = await finder.find(env)
    try:
        default = pick(wish, specs)
    except ApiError:
        default = None
    known = [
        (name, directory, kind)
        for name, directory in pythons.known_environments(env, project)
        if (kind := pythons.kind_of(directory))
    ]
    async with asyncio.TaskGroup() as tasks:
        reasons = [tasks.create_task(_unusable(directory, env)) for _, directory, _ in known]
    return [_of_spec(specs[name], wish, default) for name in sorted(specs)] + [
        Environment(
            kind=kind,
            name=name,
            language="python",
            path=directory,
            default=default is not None and default.directory == directory,
            unusable=reason.result(),
        )
        for (name, directory, kind), reason in zip(known, reasons, strict=True)
    ]


def _of_spec(spec: Spec, wish: Wish, default: Pick | None) -> Environment:
    unusable = None
    try:
        choice_of_spec(spec, wish)
    except KernelDidNotStart as problem:
        unusable = problem.data["detail"]
    return Environment(
        kind="runtimed" if spec.own else "kernelspec",
        name=spec.name,
        language=spec.language,
        path=spec.argv[0] if spec.own else spec.resource_dir,
        default=default is not None and default.spec == spec,
        unusable=unusable,
    )


async def _unusable(directory: str, env: dict[str, str]) -> str | None:
    python = pythons.python_of(directory)
    if python is None:
        return "there is no Python in it"
    return await diagnosis.unusable_because(python, env)
