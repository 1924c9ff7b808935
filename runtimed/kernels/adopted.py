"""The row of a kernel that somebody else started, from its connection file and its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulid import ULID

from runtimed.kernels import naming
from runtimed.kernels.clock import now_ms
from runtimed.store.runtimes import RuntimeRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtimed.kernels.connection_files import ConnectionFile
    from runtimed.kernels.identity import Process


def new_row(file: ConnectionFile) -> RuntimeRow:
    """Return a row that is on no list yet; `give_name` comes when it is entered there."""
    created_ms = now_ms()
    return RuntimeRow(
        id=str(ULID.from_timestamp(created_ms / 1000)),
        name=file.kernel_name or "kernel",
        kernel_name=file.kernel_name,
        language=None,
        origin="adopted",
        status="starting",
        incarnation=0,
        pid=None,
        start_time=None,
        boot_id=None,
        connection_file=file.path,
        transport=file.transport,
        ip=file.ip,
        private=file.transport == "ipc" or file.is_curve,
        environment=None,
        environment_key="",
        project=None,
        implicit=False,
        cwd="",
        idle_stop_s=None,
        created_ms=created_ms,
        ended_ms=None,
        exit=None,
        notices=[],
        launch={"connection": file.info},
        journal_offset=0,
        removed_ms=None,
    )


def give_name(row: RuntimeRow, rows: Iterable[RuntimeRow]) -> None:
    """Number its name if another living runtime is called so: before it lives among these."""
    row.name = naming.free_name([other for other in rows if other is not row], row.name)


def describe(row: RuntimeRow, process: Process | None) -> None:
    """Note which process it is, where that could be found out."""
    row.pid = row.start_time = row.boot_id = None
    if process is not None:
        row.pid, row.start_time = process.pid, process.start_time
        row.boot_id, row.cwd = process.boot_id, process.cwd or row.cwd
