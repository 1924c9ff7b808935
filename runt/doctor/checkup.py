"""All checks in their order; what is found is repaired if that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runt.doctor import (
    environment_cache,
    kernels,
    listening,
    origins,
    others,
    places,
    processes,
    record,
    service,
    settings,
)
from runt.doctor.examination import Examination, Unanswered
from runt.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Check = Callable[[Examination], Iterable[Finding]]

#: Most of what is wrong further down follows from what is wrong further up.
CHECKS: dict[str, Check] = {
    "runtime-directory": places.runtime_directory,
    "directories": places.directories,
    "settings": settings.settings,
    "variables": settings.environment,
    "daemon": processes.daemon,
    "socket": listening.socket,
    "keeper": processes.keeper,
    "service": service.service,
    "service-files": service.files,
    "versions": processes.versions,
    "origins": origins.origins,
    "linger": service.linger,
    "login-session": processes.sessions,
    "service-environment": service.environment,
    "programs": others.programs,
    "other-products": others.products,
    "file-limits": processes.file_limits,
    "disk-space": places.disk_space,
    "environment-cache": environment_cache.cached,
    "database": record.database,
    "search-index": record.search_index,
    "journals": record.journals,
    "left-files": record.left_files,
    "clock": processes.clock,
    "kernelspecs": kernels.kernelspecs,
    "transports": kernels.transports,
    "connection-files": kernels.connection_files,
}


def examine(may: Callable[[str], bool] | None) -> list[Finding]:
    """Look at everything, and return what was found.

    ``may`` is given where repairs are wanted: it says whether one that needs consent has it.
    """
    findings: list[Finding] = []
    examination = Examination()
    for name, check in CHECKS.items():
        found = run(name, check, examination)
        if may is not None and (tried := _repair(found, may)):
            examination = Examination()  # much may have changed by that
            found = _after(found, run(name, check, examination), tried)
        findings += found
    return findings


def _after(before: list[Finding], after: list[Finding], tried: dict[str, str]) -> list[Finding]:
    """Return what there is to say after repairs were tried: what was fixed, and what is left."""
    left = {finding.text: finding for finding in after}
    fixed: list[Finding] = []
    for finding in before:
        if (said := tried.get(finding.text)) is None:
            continue
        if (still := left.get(finding.text)) is not None and still.status != "ok":
            still.data["tried"] = said
        elif said not in [each.text for each in fixed]:  # one repair may put several right
            fixed.append(Finding(finding.check, "fixed", said, data=finding.data))
    return fixed + [finding for finding in after if finding.status != "ok" or not fixed]


def run(name: str, check: Check, examination: Examination) -> list[Finding]:
    """Run one check. One that fails says why, and the others go on."""
    try:
        return list(check(examination))
    except Unanswered as unanswered:
        return [Finding(name, "unknown", str(unanswered))]
    except Exception as error:  # noqa: BLE001 - the root of a check: the others are of use still
        reason = str(error) or type(error).__name__
        return [Finding(name, "unknown", f"this could not be looked at: {reason}")]


def _repair(found: Iterable[Finding], may: Callable[[str], bool]) -> dict[str, str]:
    """Repair what can be; return what came of each, by the text of the finding."""
    tried = {}
    done: dict[Callable[[], str], str] = {}
    for finding in found:
        repair = finding.repair
        if repair is None or (finding.question and not may(finding.question)):
            continue
        if repair not in done:
            try:
                done[repair] = repair()
            except Exception as error:  # noqa: BLE001 - the root of a repair: the finding stays
                done[repair] = f"it could not be repaired: {error}"
        tried[finding.text] = done[repair]
    return tried
