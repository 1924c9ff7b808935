"""Every setting: its name, its default, its bounds, and what it is for. Written once, here."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from runtimed.config.values import Kind, Setting

KIB, MIB, GIB = 1024, 1024**2, 1024**3
HOUR_S, DAY_S = 3_600.0, 86_400.0


class BadSetting(ValueError):
    """A setting's value, or the file that it is in, cannot be used."""


def _setting(default: Any, kind: Kind, about: str, **more: Any) -> Any:
    return dataclasses.field(default=default, metadata={"kind": kind, "about": about, **more})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What can be set. Parts hold one `Config` for as long as the daemon lives.

    Nobody changes it but a reload (`Loaded.take`), on the daemon's loop: who reads a setting when
    it is used has the present value. What is read once, at the start, says so: `needs_restart`.
    """

    max_request_bytes: int = _setting(
        64 * MIB,
        "size",
        "The longest JSON-RPC line that is accepted; all that are on their way: four times that.",
        least=4 * KIB,
        most=2 * GIB,
        needs_restart=True,
    )
    max_batch: int = _setting(
        10_000,
        "count",
        "The most requests in one JSON-RPC batch.",
        least=1,
        most=1_000_000,
        needs_restart=True,
    )
    blob_limit_bytes: int = _setting(
        256 * KIB,
        "size",
        "Values longer than this are stored as blobs and named by their SHA-256.",
        least=256,
        most=512 * MIB,
        needs_restart=True,
    )
    subscriber_events: int = _setting(
        20_000,
        "count",
        "A subscription that falls so many events behind ends with `lagged`.",
        least=1,
        most=10_000_000,
        needs_restart=True,
    )
    subscriber_bytes: int = _setting(
        16 * MIB,
        "size",
        "A subscription that falls so many bytes behind ends with `lagged`.",
        least=4 * KIB,
        most=4 * GIB,
        needs_restart=True,
    )
    event_heartbeat_s: float = _setting(
        15.0,
        "time",
        "An event stream over HTTP that had nothing to say for so long says that it lives.",
        least=0.05,
        most=HOUR_S,
        needs_restart=True,
    )
    http_head_s: float = _setting(
        10.0,
        "time",
        "An HTTP request's head must be there in so long, and no pause in its body be longer.",
        least=0.05,
        most=HOUR_S,
        needs_restart=True,
    )
    http_idle_s: float = _setting(
        60.0,
        "time",
        "An HTTP connection is kept for so long without a request.",
        least=0.05,
        most=DAY_S,
        needs_restart=True,
    )
    probe_interval_s: float = _setting(
        10.0,
        "time",
        "How often a silent kernel is asked whether it lives.",
        least=0.05,
        most=HOUR_S,
    )
    probe_timeout_s: float = _setting(
        3.0,
        "time",
        "How long a kernel's heartbeat may take to answer.",
        least=0.05,
        most=HOUR_S,
    )
    ipc_silence_s: float = _setting(
        10.0,
        "time",
        "A kernel that is silent for so long over ipc is started once more over tcp.",
        least=0.05,
        most=HOUR_S,
    )
    implicit_idle_stop_s: float = _setting(
        DAY_S,
        "time",
        "A runtime that an evaluation started by itself stops after so long without work; "
        "a change concerns those that start after it.",
        least=1.0,
        most=3650 * DAY_S,
    )
    agent_idle_stop_s: float = _setting(
        DAY_S,
        "time",
        "A runtime that an agent started stops after so long without work, at the latest; to wait "
        "for input() is none. 0: when it was asked to. A change concerns those that start after "
        "it.",
        least=0,
        most=3650 * DAY_S,
    )
    agent_time_limit_s: float = _setting(
        0.0,
        "time",
        "In a runtime that an agent started, an execution is interrupted after so long; 0: no "
        "limit. A change concerns those that start after it.",
        least=0,
        most=3650 * DAY_S,
    )
    agent_output_limit_bytes: int = _setting(
        0,
        "size",
        "In a runtime that an agent started, an execution that has put out so much is interrupted; "
        "0: no limit. A change concerns those that start after it.",
        least=0,
        most=1024 * 1024 * GIB,
    )
    rescan_interval_s: float = _setting(
        30.0,
        "time",
        "How often kernels of others are looked for, where no event told of them.",
        least=0.05,
        most=DAY_S,
        needs_restart=True,
    )
    runtime_dirs: str = _setting(
        "",
        "text",
        "More directories with connection files than Jupyter's own, separated by colons.",
        needs_restart=True,
    )
    record: str = _setting(
        "all",
        "choice",
        "What is kept of the executions of others, where no rule says (`runt record`); "
        "a change concerns runtimes that are found after it.",
        choices=("all", "metadata", "off"),
    )
    checkpoint_bytes: int = _setting(
        16 * MIB,
        "size",
        "The write-ahead log is checkpointed when it has grown by so much.",
        least=64 * KIB,
        most=16 * GIB,
        needs_restart=True,
    )
    log_level: str = _setting(
        "INFO",
        "choice",
        "How much the daemon writes to its log.",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
    )
    log_file_bytes: int = _setting(
        10 * MIB,
        "size",
        "Where the log is a file, a new one is begun before it becomes longer; the keeper's too, "
        "which takes it from its environment only, as a number.",
        least=4 * KIB,
        most=GIB,
        needs_restart=True,
    )
    log_files: int = _setting(
        3,
        "count",
        "So many files of a log are kept, the present one included; the keeper's likewise.",
        least=1,
        most=100,
        needs_restart=True,
    )
    kernel_log_bytes: int = _setting(
        10 * MIB,
        "size",
        "Of what a kernel's process itself writes to stdout, and to stderr, so much is kept: "
        "the end of it.",
        least=64 * KIB,
        most=16 * GIB,
    )
    retention_bytes: int = _setting(
        10 * GIB,
        "size",
        "So much is kept at most: the database, the search index, blobs. Beyond it the oldest "
        "outputs are removed, those of others first; code and status stay, and what open "
        "notebooks show.",
        least=64 * KIB,
        most=1024 * 1024 * GIB,
    )
    retention_percent: int = _setting(
        10,
        "count",
        "So much of the disk is kept at most, if that is less than `retention_bytes`.",
        least=1,
        most=100,
    )


@functools.cache
def settings() -> dict[str, Setting]:
    """Return every setting by name, in the order in which they are shown."""
    return {
        field.name: Setting(name=field.name, default=_default(field), **field.metadata)
        for field in dataclasses.fields(Config)
    }


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default
