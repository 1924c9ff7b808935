"""What can be started, for ``environment.list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.environments import Environment
from runtimed.api.errors import ApiError, KernelDidNotStart
from runtimed.aside import aside
from runtimed.kernels import places, pythons
from runtimed.kernels.environments import Wish, choice_of_spec, pick
from runtimed.kernels.packages import unusable_because
from runtimed.model.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    # Some thousand stats, perhaps of a home on another machine.
    return await aside(_listed, wish, specs)


def _listed(wish: Wish, specs: Mapping[str, Spec]) -> list[Environment]:
    try:
        default = pick(wish, specs)
    except ApiError:
        default = None
    of_specs = [_of_spec(specs[name], wish, default) for name in sorted(specs)]
    return of_specs + [
        _of_cached(place)
        if place.cached
        else Environment(
            kind=place.kind,
            name=place.name,
            language="python",
            path=place.directory,
            default=default is not None and default.directory == place.directory,
            unusable=unusable_because(place.directory, wish.env),
            python_version=pythons.version_of(place.directory),
        )
        for place in places.environments(wish.env, wish.project)
    ]


def _of_cached(place: places.Place) -> Environment:
    cached = place.cached
    assert cached is not None and cached.record is not None  # noqa: S101 - it is listed so
    record, damage = cached.record, cached.damage
    return Environment(
        kind="cached",
        name=place.name,
        language="python",
        path=place.directory,
        unusable=f"{damage}; the next start with its packages makes it anew" if damage else None,
        python_version=record.python_version,
        dependencies=record.requirements,
        used_at=rfc3339(round((cached.used_s or 0) * 1000)),
        size_bytes=record.size_bytes,
    )


def _of_spec(spec: Spec, wish: Wish, default: Pick | None) -> Environment:
    unusable = version = None
    try:
        choice = choice_of_spec(spec, wish)
        if choice.environment is not None:
            version = pythons.version_of(choice.environment)
    except KernelDidNotStart as problem:
        unusable = problem.data["detail"]
    return Environment(
        kind="runtimed" if spec.own else "kernelspec",
        name=spec.name,
        language=spec.language,
        path=spec.argv[0] if spec.own else spec.resource_dir,
        default=default is not None and default.spec == spec,
        unusable=unusable,
        python_version=version,
    )
