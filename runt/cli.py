"""The entry point of ``runt``.

``runt eval`` answers in about the time that importing click takes, so a usual ``eval`` never
imports it; everything else goes through the group of click commands.
"""

from __future__ import annotations

import os
import sys

from runt import exits


def main() -> int:
    """Run the command line, and return the exit code."""
    argv = sys.argv[1:]
    try:
        code = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = exits.INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more when it ends; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = exits.STDOUT_CLOSED
    return code


def _run(argv: list[str]) -> int:
    if argv[:1] == ["eval"]:
        from runt.commands import evaluate_options

        options = evaluate_options.parse("eval", argv[1:])
        if options is not None:
            from runt import session
            from runt.commands.eval import evaluate

            return session.guarded(lambda: evaluate(options))
    if argv == ["--version"]:
        from runtimed import __version__

        sys.stdout.write(f"runt {__version__}\n")
        return exits.OK
    from runt.group import run

    return run(argv)
