"""What makes one cached environment another than the next."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from runtimed.kernels.dependencies.explanation import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variables that say where packages come from: another index has others of the same name.
_SOURCES = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"),
    *("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX", "UV_FIND_LINKS", "UV_CONFIG_FILE"),
    *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_STRATEGY"),
    # Which of an index's packages these are: others would get them, too.
    *("UV_TORCH_BACKEND", "PIP_ONLY_BINARY"),
)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What to build, and from which Python. Stored with a runtime.

    ``base`` is the path of an interpreter; None where uv is to find one for ``requires_python``.
    ``sources`` tells one index from another, as `sources_of` has it.
    """

    requirements: list[str]
    base: str | None
    python_version: str | None
    platform: str | None
    requires_python: str | None = None
    sources: str | None = None

    @property
    def key(self) -> str:
        """What is the same for the same environment, and no other."""
        facts: list[object] = [self.requirements, self.base, self.python_version, self.platform]
        if self.base is None:
            facts.append(self.requires_python)
        if self.sources is not None:
            facts.append({"sources": self.sources})
        return _hash(facts)


def sources_of(env: Mapping[str, str]) -> str | None:
    """Return what is the same where packages come from the same places; None: nothing is said.

    A token that is new tomorrow makes no other place.
    """
    said = {name: without_secrets(env[name]) for name in _SOURCES if env.get(name)}
    return _hash(said) if said else None


def other_sources(recipe: Recipe, env: Mapping[str, str]) -> str:
    """Say that it cannot be built again here, as its packages come from elsewhere."""
    here = [name for name in _SOURCES if env.get(name)]
    there = "another index was set" if recipe.sources else "no index was set"
    return (
        f"it is gone, and would be built again from elsewhere: {there} where it was started, and "
        f"here {', '.join(here) or 'none'} is; set them ({', '.join(_SOURCES[:2])}, UV_INDEX and "
        "the like) as they were there, or start another"
    )


def _hash(facts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:20]
