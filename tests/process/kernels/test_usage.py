"""Memory and processor use of process trees, with real processes."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtimed.host import process_start_time
from runtimed.kernels.usage import Meter

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A parent, its child, and a grandchild in a session of its own; the last one does the work.
TREE = """
import subprocess, sys
level = int(sys.argv[1])
held = b"x" * (64 << 20) if level == 0 else b""
if level:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[2], str(level - 1), sys.argv[2]],
                             start_new_session=level == 1, stdout=1)
    child.wait()
else:
    print("ready", flush=True)
    while True: pass
"""


@contextmanager
def tree() -> Iterator[int]:
    command = [sys.executable, "-c", TREE, "2", TREE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            import psutil

            for each in [*psutil.Process(process.pid).children(recursive=True), process]:
                each.kill()


def test_what_is_below_counts() -> None:
    meter = Meter()
    with tree() as first, tree() as second:
        kernels = {first: process_start_time(first), second: None}
        usage = meter.read(kernels)
        assert all(usage[pid].rss_bytes > 64 << 20 for pid in kernels)
        assert all(usage[pid].cpu_percent is None for pid in kernels)
        while True:  # until the clock of the processes has ticked
            usage = meter.read(kernels)
            if all((usage[pid].cpu_percent or 0) > 0 for pid in kernels):
                break
        one = psutil_rss(first)
        assert abs(usage[first].rss_bytes - one) < one / 4, "the other tree is not counted"


def psutil_rss(pid: int) -> int:
    import psutil

    process = psutil.Process(pid)
    return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])


def test_who_has_the_pid_of_another_is_not_measured() -> None:
    with tree() as pid:
        start_time = process_start_time(pid)
        assert start_time is not None
        assert Meter().read({pid: start_time - 1}) == {}
    assert Meter().read({pid: start_time}) == {}
    assert Meter().read({}) == {}
