"""On what terms a runtime is started, whatever kernel it is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtimed.api.types import Limits


@dataclass(slots=True, frozen=True, kw_only=True)
class Terms:
    """Who asked for it ({client, pid, agent}), when it stops by itself, what its code may do.

    ``notices`` say what of that its caller did not ask for.
    """

    started_by: dict[str, Any] | None = None
    idle_stop_s: float | None = None
    limits: Limits | None = None
    notices: tuple[str, ...] = ()
