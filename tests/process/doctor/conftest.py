"""``doctor("--fix")`` → what it found, in a state of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from tests.process.doctor.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import Runt


class Doctor(Protocol):
    """Runs ``runt doctor --json``."""

    def __call__(self, *args: str, env: Mapping[str, str] | None = None) -> Findings: ...


@pytest.fixture
def doctor(runt: Runt) -> Doctor:
    def run(*args: str, env: Mapping[str, str] | None = None) -> Findings:
        return Findings(runt("doctor", "--json", *args, env=env))

    return run
