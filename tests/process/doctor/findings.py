"""What ``runt doctor --json`` found, by check."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

    from tests.harness.daemon import State


class Findings:
    """The findings of one run; ``status`` and ``text`` are those of the worst of a check."""

    _WORST = ("problem", "fixed", "unknown", "note", "ok")

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        assert "Traceback" not in done.stderr, done.stderr
        assert done.stdout, done
        self.all: list[dict[str, Any]] = json.loads(done.stdout)["doctor"]["findings"]
        self.code = done.returncode
        assert self.code == (1 if self.problems() else 0), done

    def problems(self) -> list[str]:
        return [found["check"] for found in self.all if found["status"] == "problem"]

    def worst(self, check: str) -> dict[str, Any]:
        found = [each for each in self.all if each["check"] == check]
        assert found, f"{check} is not among {sorted({each['check'] for each in self.all})}"
        return min(found, key=lambda each: self._WORST.index(each["status"]))

    def status(self, check: str) -> str:
        return str(self.worst(check)["status"])

    def text(self, check: str) -> str:
        return str(self.worst(check)["text"])


def execute(state: State, sql: str, *values: object) -> None:
    db = sqlite3.connect(state.files.database)
    with db:
        db.execute(sql, values)
    db.close()
