"""Requirements as people write them: checked, and in one form, so that the same is the same.

https://packaging.python.org/en/latest/specifications/dependency-specifiers/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What makes a Python run a kernel.
IPYKERNEL = "ipykernel"


#: What a call may name is no longer, either.
_MOST_CHARS = 500


class BadRequirement(ValueError):
    """Something that names no package of the index; the text says what is wrong."""


def normalized(texts: Iterable[str]) -> list[str]:
    """Return the requirements, each in its one form, sorted, none twice.

    Raises `BadRequirement`. What comes out cannot be taken for an option, a path or a URL by
    whoever installs it: it begins with a name, and has nothing but what was understood.
    """
    return sorted({_normalized(text) for text in texts})


def with_ipykernel(requirements: list[str]) -> list[str]:
    """Return the requirements, ipykernel among them if they do not say which."""
    from packaging.requirements import Requirement

    if any(Requirement(each).name == IPYKERNEL for each in requirements):
        return requirements
    return sorted([*requirements, IPYKERNEL])


def _normalized(text: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    shown = repr(text if len(text) <= 80 else text[:77] + "...")
    if text.lstrip().startswith("-"):
        raise BadRequirement(f"{shown} is an option of an installer, not a package")
    if len(text) > _MOST_CHARS:
        raise BadRequirement(f"{shown} is longer than {_MOST_CHARS} characters")
    try:
        found = Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        is_deep = isinstance(error, RecursionError)
        reason = "it is nested too deeply" if is_deep else str(error).splitlines()[0]
        raise BadRequirement(
            f"{shown} does not name a package, as 'pandas' or 'pandas>=2' do: {reason}"
        ) from None
    if found.url is not None:
        raise BadRequirement(
            f"{shown} names a place and not a version; from URLs and paths, install into a "
            "virtual environment and start that"
        )
    name = canonicalize_name(found.name)
    extras = ",".join(sorted(canonicalize_name(extra) for extra in found.extras))
    specifiers = ",".join(sorted(str(each) for each in found.specifier))
    marker = f"; {found.marker}" if found.marker else ""
    return f"{name}{f'[{extras}]' if extras else ''}{specifiers}{marker}"


def check_python(specifiers: str) -> str:
    """Return a ``requires-python`` in its one form. Raises `BadRequirement`."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        if len(specifiers) > _MOST_CHARS:
            raise InvalidSpecifier(specifiers)
        return ",".join(sorted(str(each) for each in SpecifierSet(specifiers)))
    except InvalidSpecifier:
        raise BadRequirement(
            f"{specifiers[:80]!r} says no version of Python, as '>=3.11' does"
        ) from None


def is_satisfied(version: str, specifiers: str) -> bool:
    """Return whether this version of Python will do."""
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifiers).contains(version, prereleases=True)
