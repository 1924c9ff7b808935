"""Settings. Each may be given as an environment variable ``RUNTIMED_<NAME>`` of the daemon."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class BadSetting(ValueError):
    """A setting's value cannot be used."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What can be set, with its default and unit."""

    max_request_bytes: int = 64 * 1024 * 1024
    """The longest JSON-RPC line that is accepted; all that are on their way: four times that."""
    max_batch: int = 10_000
    """The most requests in one JSON-RPC batch."""
    blob_limit_bytes: int = 256 * 1024
    """Values longer than this are stored as blobs and named by their SHA-256."""
    subscriber_events: int = 20_000
    """A subscription that falls so many events behind ends with `lagged`."""
    subscriber_bytes: int = 16 * 1024 * 1024
    """A subscription that falls so many bytes behind ends with `lagged`."""
    probe_interval_s: float = 10.0
    """How often a silent kernel is asked whether it lives."""
    probe_timeout_s: float = 3.0
    """How long a kernel's heartbeat may take to answer."""
    ipc_silence_s: float = 10.0
    """A kernel that is silent for so long over ipc is started once more over tcp."""
    implicit_idle_stop_s: float = 86_400.0
    """A runtime that an evaluation started by itself stops after so long without work."""
    rescan_interval_s: float = 30.0
    """How often kernels of others are looked for, where no event told of them."""
    runtime_dirs: str = ""
    """More directories with connection files than Jupyter's own, separated by colons."""
    record: str = "all"
    """What is kept of the executions of others, where no rule says: all, metadata or off."""
    checkpoint_bytes: int = 16 * 1024 * 1024
    """The write-ahead log is checkpointed when it has grown by so much."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Config:
        """Return the defaults, with what the environment sets. Raises `BadSetting`."""
        given: dict[str, int | float | str] = {}
        for field in dataclasses.fields(cls):
            variable = f"RUNTIMED_{field.name.upper()}"
            if (text := environ.get(variable)) is None:
                continue
            if isinstance(field.default, str):
                given[field.name] = text
                continue
            kind = int if isinstance(field.default, int) else float
            try:
                value = kind(text)
            except ValueError:
                raise BadSetting(f"{variable} must be a number, not {text!r}") from None
            if not value > 0:
                raise BadSetting(f"{variable} must be above 0, not {text}")
            given[field.name] = value
        if given.get("record", "all") not in ("all", "metadata", "off"):
            raise BadSetting(
                f"RUNTIMED_RECORD must be all, metadata or off, not {given['record']!r}"
            )
        return cls(**given)  # type: ignore[arg-type]
