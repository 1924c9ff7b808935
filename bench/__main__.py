"""Measure the figures that are named, or all of them, and print one line for each value."""

from __future__ import annotations

import signal
import sys
from importlib import import_module

#: One module each; its ``measure`` yields the values.
FIGURES = (
    "warm_eval",
    "whole_process",
    "many_lines",
    "large_display",
    "idle",
    "many_kernels",
    "daemon_start",
    "adoption",
    "history",
    "with_dependencies",
    "agents",
)


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        sys.stderr.write(f"no figure {', '.join(unknown)}; there are: {', '.join(FIGURES)}\n")
        return 2
    # As Ctrl-C does: what was started and made for a figure is ended and removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for name in names or FIGURES:
        for value in import_module(f"bench.{name}").measure():
            sys.stdout.write(f"{value}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
