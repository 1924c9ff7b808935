"""Checks, repairs and what becomes of them, without anything that is really broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runt.doctor import checkup
from runt.doctor.examination import Examination, Unanswered
from runt.doctor.finding import Finding, some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def examine(
    monkeypatch: pytest.MonkeyPatch,
    may: Callable[[str], bool] | None,
    **checks: Callable[[Examination], Iterator[Finding]],
) -> list[tuple[str, str, str]]:
    monkeypatch.setattr(checkup, "CHECKS", checks)
    return [(f.check, f.status, f.text) for f in checkup.examine(may)]


def sound(e: Examination) -> Iterator[Finding]:
    yield Finding("sound", "ok", "all is well")


def failing(e: Examination) -> Iterator[Finding]:
    yield Finding("failing", "ok", "the first half")
    raise PermissionError(13, "Permission denied", "/x")


def silent(e: Examination) -> Iterator[Finding]:
    yield Finding("silent", "ok", e.ask("daemon.status", {}))


class Broken:
    """A thing that is repaired by its check's repair, or not."""

    def __init__(self, *, holds: bool = True, question: str = "") -> None:
        self.is_broken = True
        self.tries = 0
        self._holds = holds
        self._question = question

    def check(self, e: Examination) -> Iterator[Finding]:
        if self.is_broken:
            yield Finding(
                "it", "problem", "it is broken", repair=self._repair, question=self._question
            )
        else:
            yield Finding("it", "ok", "it is whole")

    def _repair(self) -> str:
        self.tries += 1
        if not self._holds:
            raise OSError("no glue")
        self.is_broken = False
        return "it was glued"


def test_a_check_that_fails_says_so_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Examination, "daemon_pid", None)
    (failed, unanswered, well) = examine(
        monkeypatch, None, failing=failing, silent=silent, sound=sound
    )
    assert failed[:2] == ("failing", "unknown")
    assert "Permission denied" in failed[2]
    assert unanswered == ("silent", "unknown", "no daemon runs that could tell")
    assert well == ("sound", "ok", "all is well")


def test_nothing_is_repaired_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken()
    assert examine(monkeypatch, None, it=broken.check) == [("it", "problem", "it is broken")]
    assert broken.tries == 0


def test_what_was_repaired_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken()
    found = examine(monkeypatch, lambda question: False, it=broken.check, sound=sound)
    assert found == [("it", "fixed", "it was glued"), ("sound", "ok", "all is well")]


def test_what_stays_broken_stays_a_problem_with_what_was_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = Broken(holds=False)
    monkeypatch.setattr(checkup, "CHECKS", {"it": broken.check})
    (finding,) = checkup.examine(lambda question: False)
    assert (finding.status, finding.text) == ("problem", "it is broken")
    assert "no glue" in finding.data["tried"]


def test_one_repair_of_several_things_is_done_and_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken: list[str] = ["one", "two", "three"]
    tries: list[int] = []

    def check(e: Examination) -> Iterator[Finding]:
        def repair() -> str:
            tries.append(len(broken))
            broken.clear()
            return "all was glued"

        for text in broken:
            yield Finding("it", "problem", text, repair=repair)

    assert examine(monkeypatch, lambda question: False, it=check) == [
        ("it", "fixed", "all was glued")
    ]
    assert tries == [3]


@pytest.mark.parametrize("agreed", [True, False])
def test_what_needs_consent_is_asked_about(monkeypatch: pytest.MonkeyPatch, agreed: bool) -> None:
    broken = Broken(question="May it be glued?")
    asked: list[str] = []

    def may(question: str) -> bool:
        asked.append(question)
        return agreed

    ((_, status, _),) = examine(monkeypatch, may, it=broken.check)
    assert asked == ["May it be glued?"]
    assert status == ("fixed" if agreed else "problem")


def test_a_daemon_that_does_not_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from runt import session
    from runtimed.client.connecting import no_answer

    calls: list[str] = []

    def call(method: str, params: dict[str, Any], *, start: bool) -> None:
        assert not start
        calls.append(method)
        raise no_answer("/s")

    monkeypatch.setattr(session, "call", call)
    examination = Examination()
    examination.daemon_pid = 7
    for _ in range(3):
        with pytest.raises(Unanswered, match="no answer"):
            _ = examination.report
    assert calls == ["daemon.doctor"]


def test_many_names_are_cut() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcde")) == "a, b, c and 2 more"
