"""A scope of its own for each kernel, where there is a service manager of the user's (systemd).

In it a kernel outlives daemon and keeper, whatever becomes of their units, is seen in ``systemctl
--user status``, has its own share of the machine, and is found with all that it has started.

https://www.freedesktop.org/software/systemd/man/latest/systemd.scope.html
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import stat
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

from runtimed.cgroups import user_service_of
from runtimed.kernels.limits import properties
from runtimed.model.ids import short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runtimed.api.types import Limits
    from runtimed.store.runtimes import RuntimeRow

log = logging.getLogger(__name__)

SLICE = "runtimed.slice"
#: What the keeper puts the unit's name in the place of: it knows the incarnation.
_UNIT = "{unit}"
#: How long what is left in a scope has after SIGTERM: when its kernel has ended, or at logout.
_STOP_S = 10
#: How long systemctl may take: longer than that.
_SYSTEMCTL_S = 20.0
#: The first version that takes OOMPolicy= for scopes, and that has --expand-environment=.
_OOM_POLICY_SINCE = 252
_EXPANSION_SINCE = 254


#: When a manager that still takes a scope for active is asked again.
_HEARS_AFTER_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)


class Scopes:
    """The user's service manager, as far as kernels have to do with it. Owned by the supervisor.

    ``keeper_pid`` returns the keeper's: its unit is to be stopped after the kernels'.
    """

    def __init__(self, environ: Mapping[str, str], keeper_pid: Callable[[], int | None]) -> None:
        self._environ = environ
        self._keeper_pid = keeper_pid
        self._version: int | None = None
        self._ended: set[str] = set()

    @property
    def runtime_dir(self) -> str | None:
        """Where the manager listens, as it says to what it starts."""
        return self._environ.get("XDG_RUNTIME_DIR")

    def program(self) -> str | None:
        """Return systemd-run, None if there is none or no manager that it could ask."""
        if not self.runtime_dir or not _is_socket(f"{self.runtime_dir}/systemd/private"):
            return None
        return shutil.which("systemd-run", path=self._environ.get("PATH", os.defpath))

    async def argv(self, row: RuntimeRow, limits: Limits | None) -> list[str] | None:
        """Return what a kernel's argv follows, to start it in a scope; None if that cannot be."""
        program = self.program()
        if program is None:
            return None
        version = await self._version_of(program)
        settings = [f"TimeoutStopSec={_STOP_S}s"]
        if version >= _OOM_POLICY_SINCE:
            # A worker that was killed for want of memory is the kernel's to cope with.
            settings.append("OOMPolicy=continue")
        keeper = self._keeper_pid()
        if keeper is not None and (service := user_service_of(keeper)) is not None:
            settings.append(f"After={service}")
        if limits is not None and not limits.soft:
            settings += properties(limits)
        words = [program, "--user", "--scope", "--quiet", f"--unit={_UNIT}", f"--slice={SLICE}"]
        words.append(f"--description=Kernel {short(row.id)} of runtimed ({row.kernel_name})")
        if version >= _EXPANSION_SINCE:
            words.append("--expand-environment=no")
        return [*words, *(word for setting in settings for word in ("-p", setting)), "--"]

    async def _version_of(self, program: str) -> int:
        if self._version is None:
            _, output = await self._run(program, "--version")
            found = re.search(r"systemd (\d+)", output)
            self._version = int(found[1]) if found else 0
        return self._version

    # When a kernel has ended

    def note_end(self, unit: str) -> None:
        """Remember a scope whose kernel has ended, to be looked at by `sweep`."""
        self._ended.add(unit)

    async def ran_out_of_memory(self, unit: str) -> bool:
        """Say whether the manager tells that the scope was ended for want of memory.

        It may hear of the end of the last process in it a moment later than we do.
        """
        for delay_s in _HEARS_AFTER_S:
            await asyncio.sleep(delay_s)
            found = (await self._results([unit])).get(unit)
            if not _is_active(found):
                return found is not None and found[1] == "oom-kill"
        return False

    async def end(self, units: Iterable[str | None]) -> None:
        """End what the kernels that were in these scopes have left there, and the scopes."""
        there = [unit for unit in units if unit is not None]
        if not there or self.program() is None:
            return
        self._ended.update(there)
        status, output = await self._systemctl("stop", "--quiet", *there)
        if status not in (0, 5):  # not loaded any more, most often
            log.warning("systemctl stop %s: %s", " ".join(there), output.strip())
        await self.sweep()

    async def sweep(self) -> None:
        """Have the manager forget the scopes that have failed, of kernels that have ended."""
        if not self._ended or self.program() is None:
            return
        looked_at = sorted(self._ended)
        results = await self._results(looked_at)
        failed = [unit for unit, (state, _) in results.items() if state == "failed"]
        if failed:
            await self._systemctl("reset-failed", *failed)
        self._ended -= {unit for unit in looked_at if not _is_active(results.get(unit))}

    async def _results(self, units: list[str]) -> dict[str, tuple[str, str]]:
        """Return ActiveState and Result of each."""
        names = ("Id", "ActiveState", "Result")
        _, output = await self._systemctl("show", *(f"--property={name}" for name in names), *units)
        found = {}
        for block in output.split("\n\n"):
            values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            if "Id" in values:
                found[values["Id"]] = (values.get("ActiveState", ""), values.get("Result", ""))
        return found

    async def _systemctl(self, *words: str) -> tuple[int, str]:
        return await self._run("systemctl", "--user", *words)

    async def _run(self, *words: str) -> tuple[int, str]:
        """Run a command; return its exit status and what it wrote. 127 where it does not run."""
        try:
            child = await asyncio.create_subprocess_exec(
                *words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=dict(self._environ), cwd="/"
            )
        except OSError as error:
            return 127, str(error)
        try:
            async with asyncio.timeout(_SYSTEMCTL_S):
                output, complaint = await child.communicate()
        except TimeoutError:
            return 127, f"{words[0]} did not end within {_SYSTEMCTL_S:g} s"
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return child.returncode or 0, (output + complaint).decode("utf-8", "replace")


def _is_active(result: tuple[str, str] | None) -> bool:
    return result is not None and result[0] in ("active", "deactivating")


def _is_socket(path: str) -> bool:
    """Say whether there is such a socket. To connect and say nothing would be logged there."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
