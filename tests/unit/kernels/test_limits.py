"""Limits as properties of a scope, and whether a control group has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtimed.api.types import Limits
from runtimed.cgroups import KernelScope
from runtimed.kernels.limits import limits_of, properties, wanted, why_not_in_force

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = Limits(memory_bytes=2**31, cpus=1.5, tasks=200)
FILES = {"memory.max": "2147483648\n", "cpu.max": "150000 100000\n", "pids.max": "200\n"}


def group(directory: Path, files: dict[str, str]) -> KernelScope:
    for name, text in files.items():
        (directory / name).write_text(text)
    return KernelScope("runtimed-kernel-x-1.scope", str(directory))


def test_properties_are_systemds() -> None:
    assert properties(LIMITS) == ["MemoryMax=2147483648", "CPUQuota=150.00%", "TasksMax=200"]
    assert properties(Limits(cpus=0.125)) == ["CPUQuota=12.50%"]


def test_no_limit_at_all_is_none() -> None:
    assert wanted(Limits()) is None
    assert wanted(None) is None
    assert wanted(LIMITS) is LIMITS


def test_limits_that_are_there_hold(tmp_path: Path) -> None:
    assert why_not_in_force(LIMITS, group(tmp_path, FILES)) is None


def test_what_the_kernel_rounds_holds_too(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=2**31 + 1, cpus=0.3333)
    scope = group(tmp_path, {"memory.max": "2147483648", "cpu.max": "33330 100000"})
    assert why_not_in_force(limits, scope) is None


@pytest.mark.parametrize(
    ("file", "controller"), [("memory.max", "memory"), ("cpu.max", "cpu"), ("pids.max", "pids")]
)
def test_a_missing_file_names_its_controller(tmp_path: Path, file: str, controller: str) -> None:
    files = {name: text for name, text in FILES.items() if name != file}
    why = why_not_in_force(LIMITS, group(tmp_path, files))
    assert why is not None
    assert f"the {controller} ({file}) controller" in why
    others = {"memory", "cpu", "pids"} - {controller}
    assert not any(f"{other} (" in why for other in others)


@pytest.mark.parametrize(
    ("file", "value"),
    [
        ("memory.max", "max"),
        ("memory.max", "2147479552"),
        ("cpu.max", "max 100000"),
        ("cpu.max", "100000 100000"),
        ("pids.max", "max"),
        ("pids.max", "2000"),
    ],
)
def test_another_value_is_said(tmp_path: Path, file: str, value: str) -> None:
    why = why_not_in_force(LIMITS, group(tmp_path, FILES | {file: value}))
    assert why is not None
    assert f"{file} is {value!r}" in why


def test_only_what_was_asked_for_is_looked_at(tmp_path: Path) -> None:
    assert why_not_in_force(Limits(tasks=200), group(tmp_path, {"pids.max": "200"})) is None


def test_without_a_group_no_limit_holds() -> None:
    for scope in (None, KernelScope("x.scope", None)):
        why = why_not_in_force(LIMITS, scope)
        assert why is not None
        assert "--soft-limits, without --cpus," in why


def test_limits_come_back_from_what_is_stored() -> None:
    assert limits_of({"limits": {"cpus": 1.5, "tasks": None}}) == Limits(cpus=1.5)
    assert limits_of({"argv": []}) is None
