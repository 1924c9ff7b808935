"""A pid that is another's by now is never signalled."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from runtimed.keeper.identity import Identity
from runtimed.keeper.loop import Loop
from runtimed.keeper.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def watch(identity: Identity, exited: list[Process]) -> tuple[Loop, Process]:
    loop = Loop()

    def on_exit(process: Process) -> None:
        exited.append(process)
        loop.stop()

    return loop, Process(loop, identity, None, on_exit)


@pytest.mark.parametrize("field", ["start_time", "boot_id"])
@pytest.mark.parametrize("signum", [0, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_sent_to_who_has_the_pid_now(
    stranger: subprocess.Popen[bytes], field: str, signum: int
) -> None:
    now = Identity.of(stranger.pid)
    assert now is not None
    then = {
        "start_time": dataclasses.replace(now, start_time=now.start_time - 1),
        "boot_id": dataclasses.replace(now, boot_id="another"),
    }
    exited: list[Process] = []
    loop, process = watch(then[field], exited)
    assert not process.signal_group(signum)
    assert not process.signal_tree(signum)
    loop.run()
    assert exited == [process], "the one that we knew has gone"
    assert not process.signal_tree(signum)
    assert stranger.poll() is None
    process.forget()


def test_the_same_is_sent_to_who_still_has_it(stranger: subprocess.Popen[bytes]) -> None:
    now = Identity.of(stranger.pid)
    assert now is not None
    exited: list[Process] = []
    loop, process = watch(now, exited)
    killed = []
    for signum in (0, signal.SIGKILL):
        assert process.signal_group(signum)
        killed.append(process.was_killed)
    assert killed == [False, True]
    loop.run()
    assert exited == [process]
    assert stranger.wait() == -signal.SIGKILL


def test_what_was_left_of_a_family_is_not_signalled_under_a_reused_pid(
    stranger: subprocess.Popen[bytes],
) -> None:
    own = Identity.of(os.getpid())
    found = Identity.of(stranger.pid)
    assert own is not None
    assert found is not None
    _, process = watch(dataclasses.replace(own, start_time=own.start_time - 1), [])
    process._family = [dataclasses.replace(found, start_time=found.start_time - 1)]
    assert not process.signal_tree(signal.SIGKILL)
    assert stranger.poll() is None
    process.forget()
