"""Whether the system killed for want of memory: counts in files, as Linux writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimed.keeper.oom import OomKills

V2 = ("memory.events", "low 0\nhigh 0\nmax 7\noom 3\noom_kill {}\noom_group_kill 9\n")
V1 = ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n")


class Machine:
    """Directories in place of /sys/fs/cgroup and /proc."""

    def __init__(self, directory: Path) -> None:
        self.cgroups = directory / "cgroup"
        self.proc = directory / "proc"
        self.write(self.proc / "vmstat", "nr_free_pages 1\noom_kill {}\n", 100)
        self.kills = OomKills(str(self.cgroups), str(self.proc))

    def write(self, path: Path, text: str, count: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(count))

    def start(self, pid: int, groups: str) -> dict[str, int]:
        self.write(self.proc / str(pid) / "cgroup", groups, 0)
        return self.kills.before(pid)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("groups", "place", "file"),
    [
        ("0::/user.slice/a b\n", "user.slice/a b", V2),
        ("0::/\n", "", V2),
        ("4:memory:/box/1\n1:cpu:/\n0::/\n", "memory/box/1", V1),
        ("5:cpu,memory:/x\n", "memory/x", V1),
        ("1:name=systemd:/\n0::/x:y\n", "unified/x:y", V2),
    ],
)
def test_the_count_of_its_group_tells(
    machine: Machine, groups: str, place: str, file: tuple[str, str]
) -> None:
    path = machine.cgroups / place / file[0]
    machine.write(path, file[1], 2)
    before = machine.start(7, groups)
    machine.write(machine.proc / "vmstat", "oom_kill {}\n", 101)
    assert not machine.kills.has_killed(before), "a kill elsewhere"
    machine.write(path, file[1], 3)
    assert machine.kills.has_killed(before)


@pytest.mark.parametrize("groups", ["0::/gone\n", "", "nonsense\n"])
def test_without_it_the_whole_machines_count_has_to_do(machine: Machine, groups: str) -> None:
    before = machine.start(7, groups)
    assert not machine.kills.has_killed(before)
    machine.write(machine.proc / "vmstat", "oom_kill {}\n", 101)
    assert machine.kills.has_killed(before)


def test_a_group_that_has_gone_with_its_process_leaves_it_to_the_machines_count(
    machine: Machine,
) -> None:
    path = machine.cgroups / "x" / V2[0]
    machine.write(path, V2[1], 0)
    before = machine.start(7, "0::/x\n")
    path.unlink()
    assert not machine.kills.has_killed(before)
    machine.write(machine.proc / "vmstat", "oom_kill {}\n", 101)
    assert machine.kills.has_killed(before)


def test_a_kill_explains_one_exit(machine: Machine) -> None:
    path = machine.cgroups / "x" / V2[0]
    machine.write(path, V2[1], 0)
    first, second = machine.start(7, "0::/x\n"), machine.start(8, "0::/x\n")
    machine.write(path, V2[1], 1)
    assert machine.kills.has_killed(first)
    assert not machine.kills.has_killed(second), "somebody killed it"
    third = machine.start(9, "0::/x\n")
    assert not machine.kills.has_killed(third)
    machine.write(path, V2[1], 3)
    assert machine.kills.has_killed(third)
    assert machine.kills.has_killed(second)


def test_where_nothing_counts_nothing_is_known(machine: Machine) -> None:
    Path(machine.proc, "vmstat").unlink()
    assert machine.kills.before(7) == {}
    assert not machine.kills.has_killed({})
