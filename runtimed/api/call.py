"""What a method is: its name, its parameters, its result, and what it may do."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T", bound="Call[Any]")


class Effect(enum.StrEnum):
    """What a call may do to what is there."""

    READ = "read"
    WRITE = "write"
    DESTROY = "destroy"


class Call(
    msgspec.Struct,
    Generic[R_co],
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """A request that is answered once, with an ``R_co``. Its fields are the parameters."""

    method: ClassVar[str]
    effect: ClassVar[Effect]
    result: ClassVar[Any]
    errors: ClassVar[tuple[type[Exception], ...]]
    rest: ClassVar[tuple[str, ...]]


REGISTRY: dict[str, type[Call[Any]]] = {}


def api(
    method: str,
    effect: Effect,
    *,
    errors: tuple[type[Exception], ...] = (),
    rest: tuple[str, ...] = (),
) -> Callable[[type[T]], type[T]]:
    """Register a call class under its method name. Raises `TypeError` on a second one.

    ``rest`` are the call's places in HTTP, such as "GET /v0/runtimes/{runtime}": what stands in
    braces is a field of the call's, the others come from the query (GET, HEAD, DELETE) or body.
    """

    def register(cls: type[T]) -> type[T]:
        if method in REGISTRY:
            raise TypeError(f"method {method!r} is declared twice")
        (base,) = cls.__orig_bases__  # type: ignore[attr-defined]
        cls.method, cls.effect, cls.errors, cls.rest = method, effect, errors, rest
        (cls.result,) = get_args(base)
        REGISTRY[method] = cls
        return cls

    return register
