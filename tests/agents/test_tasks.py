"""Tasks as an agent does them, through MCP and in a shell; see `tests.agents.tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.agents.replay import new_desk
from tests.agents.tasks import DOORS, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.agents.replay import Desk
    from tests.agents.tasks import DoorName, Task

#: The most that a model has to read of tools' output to solve one.
MOST_CHARS = 4_000


TASKS = tasks()
TABLE = Path(__file__).parents[2] / "bench" / "agents.md"


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with new_desk() as desk:
        yield desk


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_it_is_solved_with_little_to_read(desk: Desk, task: Task, door: DoorName) -> None:
    replayed = desk.replay(task, door)
    assert replayed.chars <= MOST_CHARS, "\n----\n".join(replayed.texts)
    assert len(replayed.texts) == len([each for each in task.steps(door) if not each.person])


def test_the_table_has_them_all() -> None:
    shown = [line.split(" | ")[0].removeprefix("| ") for line in TABLE.read_text().splitlines()]
    assert {task.title for task in TASKS} <= set(shown)
    assert len(TASKS) >= 20
