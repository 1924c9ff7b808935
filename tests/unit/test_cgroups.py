"""Control groups, as far as this machine's are to be seen without a service manager."""

from __future__ import annotations

import os

from runtimed.cgroups import KernelScope, kernel_scope, kernel_unit, user_service_of

ID = "01J0ABCDEFGHJKMNPQRSTVWXYZ"


def test_a_unit_is_named_after_the_short_id_and_the_incarnation() -> None:
    assert kernel_unit(ID, 12) == "runtimed-kernel-rstvwxyz-12.scope"


def test_a_process_that_is_in_no_scope_of_ours_is_in_none() -> None:
    assert kernel_scope(os.getpid(), ID) is None
    assert kernel_scope(2**22 + 1, ID) is None
    assert user_service_of(2**22 + 1) is None


def test_a_scope_out_of_sight_has_no_processes_and_takes_no_signal() -> None:
    scope = KernelScope("runtimed-kernel-rstvwxyz-1.scope", None)
    assert scope.pids() == []
    assert not scope.signal(9)
    assert scope.value("memory.max") is None


def test_a_listed_process_that_is_not_in_the_group_is_not_signalled(tmp_path: object) -> None:
    directory = str(tmp_path)
    with open(os.path.join(directory, "cgroup.procs"), "w") as file:
        file.write(f"{os.getpid()}\n")
    scope = KernelScope("runtimed-kernel-rstvwxyz-1.scope", directory)
    assert scope.pids() == [os.getpid()]
    scope.signal(9)  # were it taken for a member, nothing would come after this
