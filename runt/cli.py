"""The entry point of ``runt``.

``runt eval`` answers in about the time that importing click takes, so a usual ``eval`` never
imports it; everything else goes through the group of click commands.
"""

from __future__ import annotations

import io
import os
import sys

from runt import exits


def main() -> int:
    """Run the command line, and return the exit code."""
    _open_standard_streams()
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        code = exits.STDOUT_CLOSED
    except OSError as error:
        code = _said(error)
    else:
        return code
    # The interpreter flushes stdout once more when it ends; let that go nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return code


def _said(error: OSError) -> int:
    """Say what the system refused, and return the exit code: a terminal that has gone takes none.

    That is SIGHUP's, whether the signal was ignored or is still to come.
    """
    try:
        sys.stderr.write(f"runt: {error}\n")
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        return exits.of_signal(1)
    return exits.INTERNAL


def _open_standard_streams() -> None:
    """Open what the caller has closed: else a socket of ours becomes somebody's stdout.

    What no encoding has (lone surrogates), or the terminal's has not, becomes a question mark.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest number that is free
    sys.stdout = sys.stdout or open(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _refused(argv: list[str]) -> str | None:
    """Return what is wrong with the words themselves, if anything.

    What is no UTF-8 has no form in JSON; names of files (-f) stay here and may be anything.
    """
    before = ""
    for number, word in enumerate(argv, 1):
        is_file = before in ("-f", "--file") or word.startswith("--file=")
        if not is_file and any("\ud800" <= character <= "\udfff" for character in word):
            return f"argument {number} is not UTF-8"
        before = word
    return None


def _run(argv: list[str]) -> int:
    if refused := _refused(argv):
        sys.stderr.write(f"runt: {refused}\n")
        return exits.USAGE
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
