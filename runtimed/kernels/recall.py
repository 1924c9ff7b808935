"""A restart starts what was started before, whatever the caller's variables say by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.kernels.environments import Choice, activation, additions_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.kernels.specs import SpecFinder


def recorded(choice: Choice) -> dict[str, Any]:
    """Return what is stored of a choice: everything but values of environment variables."""
    facts: dict[str, Any] = msgspec.to_builtins(choice)
    del facts["env"], facts["notices"]
    return facts


async def recall(facts: Mapping[str, Any], env: Mapping[str, str], finder: SpecFinder) -> Choice:
    """Return the choice again; its variables are laid out anew, over ``env``."""
    choice = msgspec.convert({**facts, "env": {}}, Choice)
    if choice.resource_dir is None:
        return msgspec.structs.replace(choice, env=activation(choice.environment, env))
    specs = (await finder.find(env)).values()
    spec = next((spec for spec in specs if spec.resource_dir == choice.resource_dir), None)
    return msgspec.structs.replace(choice, env=additions_of(spec, env) if spec else {})
