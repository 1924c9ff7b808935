"""Interrupts of what a kernel of somebody else's does not say that it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.harness.shell import popen
from tests.process.daemon.adoption.waiting import until
from tests.process.daemon.story import final, wait_for

if TYPE_CHECKING:
    from tests.process.daemon.adoption.sharing import Shared

#: It publishes in a thread of its own. C code may keep that from its turn by chance; from the next
#: request on, this does.
SILENCE = """
import os, time
kernel = get_ipython().kernel
publish = kernel._publish_status
def wait():
    while not os.path.exists({gate!r}): time.sleep(0.01)
def publish_status(status, *args, **kwargs):
    if status == "busy": kernel.iopub_thread.schedule(wait)
    publish(status, *args, **kwargs)
kernel._publish_status = publish_status
"""


def test_what_is_not_known_to_run_is_interrupted_by_force_alone(shared: Shared) -> None:
    """It may be somebody else's that the kernel is silent about."""
    speak = shared.gate("speak")
    assert shared.runt("eval", "-r", shared.id, SILENCE.format(gate=str(speak))).returncode == 0
    ours = shared.submit(
        f"import time\ntry: time.sleep(600)\nexcept KeyboardInterrupt: {shared.note('hit')}; raise"
    )

    def at_kernel() -> Any:
        found = shared.show(ours)
        return found if found["reason"] else None

    shown = until(at_kernel, "a reason")
    assert (shown["status"], shown["reason"]) == (
        "queued",
        "it is at the kernel, which has not said that it began",
    )
    assert shared.daemon.call("runtime.get", runtime=shared.id)["activity"] == "busy"
    refused = shared.runt("interrupt", ours)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "has not said that it began; force interrupts" in refused.stderr
    forcing = popen(shared.state, "interrupt", ours, "--force", "--wait", "60")
    wait_for(shared.truth, "hit")
    speak.touch()
    stdout, _ = forcing.communicate(timeout=60)
    assert (forcing.returncode, stdout) == (0, f"interrupted {ours} (signal)\n")
    assert final(shared.daemon, ours)["status"] == "interrupted"
    assert shared.runt("eval", "-r", shared.id, "1 + 1").stdout == "2\n"
