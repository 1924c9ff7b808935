"""What is known of kernels by the name of their implementation.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#kernel-info
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtimed.store.runtimes import RuntimeRow

#: Kernels whose process SIGINT ends, with all that is in it. Tried with sleeping and with computing
#: code: deno 2.9.8 and xeus-python 0.19.0 are gone after it. To an ``interrupt_request`` on control
#: both answer ``ok`` at once and go on as if nothing had been asked: there is no other way.
_DIES_OF_SIGINT = frozenset(("Deno kernel", "xeus-python"))
#: Kernels that publish a result after the idle status of its request: deno 2.9.8 does in 3 to 16
#: of 100 cells. A later request was never seen to overtake it (0 of 1,400).
_SPEAKS_LATE = frozenset(("Deno kernel",))
#: Kernels whose subshells run beside the main shell. Those derived from ipykernel (bash_kernel,
#: metakernel's) inherit the claim, not the deed.
_HAS_SUBSHELLS = frozenset(("ipython",))
_SUBSHELLS = "kernel subshells"


def remember(row: RuntimeRow, info: dict[str, Any]) -> None:
    """Note what a kernel_info_reply says of the kernel: who resumes it later does not ask again."""
    features = info.get("supported_features")
    row.launch["implementation"] = str(info.get("implementation") or "")
    row.launch["has_subshells"] = isinstance(features, list) and _SUBSHELLS in features


def dies_of_sigint(row: RuntimeRow) -> bool:
    """Say whether SIGINT, with which its code would be interrupted, ends the kernel."""
    return row.launch.get("implementation") in _DIES_OF_SIGINT


def speaks_late(row: RuntimeRow) -> bool:
    """Say whether output may come after what ends an execution in any other kernel."""
    return row.launch.get("implementation") in _SPEAKS_LATE


def has_subshells(row: RuntimeRow) -> bool:
    """Say whether the kernel can do something beside what its main shell is doing."""
    launch = row.launch
    return bool(launch.get("has_subshells")) and launch.get("implementation") in _HAS_SUBSHELLS
