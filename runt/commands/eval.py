"""``runt eval``: run code, show what it prints as it prints it, and its value."""

from __future__ import annotations

import sys

from runt import exits, session, submission
from runt.failures import UsageFailure
from runt.ids import new_id, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import click

HELP = """\
Run code, show what it prints as it prints it, and then its value.

CODE is the argument, the file of -f, or stdin. It runs in the runtime that --runtime or
RUNT_RUNTIME names, else in that of the project: the nearest directory, from this one up, that has
.git, pyproject.toml or .venv. Where none is alive one is started, in this directory, with this
environment, and with the Python of --kernel or --python, the active environment, the project's
.venv, your own python3 kernelspec, or runtimed's own.

Its stdin: where the code names stdin (sys.stdin, open(0), fileinput), or with --stdin, all of a
piped stdin is read first and is what the code reads. Otherwise nothing is read until input() asks:
then a line, from the pipe or from the terminal. So an open, idle pipe hangs nothing.

Ctrl-C interrupts this execution, or cancels it while it is queued; twice leaves it running, as
SIGTERM, SIGHUP and an expired --wait do. If the reader of its stdout goes away it is interrupted.

Exits with 0; 1 if the code raised (not for sys.exit(0)), was cancelled or lost; 2 for wrong usage;
3 not found; 4 conflict; 5 no daemon; 6 the kernel did not start; 7 denied; 8 the kernel died;
70 internal (stdout takes no more); 124 --wait expired; 130 interrupted; 141 stdout closed.
"""


def evaluate(options: dict[str, Any]) -> int:
    """Do what the parsed options say, and return the exit code."""
    _check(options)
    detached = bool(options["detach"])
    params = submission.parameters(options, detached=detached)
    params.setdefault("id", new_id())
    if detached:
        from runt.commands.submit import submit

        return submit(params, options)
    if options["rm"]:
        return _throwaway(params, options)
    return follow(params, options)


def _check(options: dict[str, Any]) -> None:
    wanted = [f"--{f}" for f in ("json", "quiet", "raw", "value") if options[f]]
    if len(wanted) > 1 and wanted != ["--raw", "--value"]:
        raise UsageFailure(f"{wanted[0]} and {wanted[1]} exclude each other")
    if options["detach"]:
        for other in ("rm", "raw", "value", "wait"):
            if options[other]:
                raise UsageFailure(f"--detach and --{other} exclude each other")
    if options["rm"] and options["runtime"]:
        raise UsageFailure("--rm makes a runtime of its own; --runtime names one that is there")
    if options["stdin"] and options["no_stdin"]:
        raise UsageFailure("--stdin and --no-stdin exclude each other")


def follow(params: dict[str, Any], options: dict[str, Any]) -> int:
    """Submit and follow to the end; print what was asked for."""
    from runt.feed import Feed
    from runt.live import Detached, Live
    from runt.shows import Shows, ended_sentence
    from runt.signals import Signals
    from runt.terminal import Answers
    from runt.writer import Writer

    form = "text" if options["raw"] else options["value"]
    writer = Writer()
    shows = Shows(
        streams_to=2 if form else None,
        results=not form,
        silent=options["json"] or options["quiet"],
    )
    with Signals() as signals:
        feed = Feed(
            signals.leaving_default(session.connect),
            {"execution": params["id"]},
            # An id that the caller brings may be one that ran already.
            since="start" if options["id"] else None,
            again_from="start",
        )
        answers = Answers(
            writer,
            use_stdin=not options["no_stdin"] and "stdin" not in params,
        )
        live = Live(params["id"], feed, writer, answers, signals, shows=shows)
        try:
            code = live.submit(params, options["wait"])
        except Detached as detached:
            code = detached.exit_code
            if code == exits.WAIT_EXPIRED:
                live.drain()
            _say(_left_behind(params["id"], live.is_accepted, options))
            if code != exits.WAIT_EXPIRED or not options["json"]:
                return code
        finally:
            feed.close()
    sentence = ended_sentence(params["id"], live.status, live.reason)
    if sentence and code not in (exits.STDOUT_CLOSED, exits.WAIT_EXPIRED):
        sys.stderr.write(f"runt: {sentence}\n")
    return _finish(params["id"], live, form, options, code)


def _say(sentence: str) -> None:
    """Write to stderr; where the terminal is gone there is nobody to tell."""
    try:
        sys.stderr.write(sentence)
        sys.stderr.flush()
    except OSError:
        pass


def _left_behind(id: str, is_accepted: bool, options: dict[str, Any]) -> str:
    if options["rm"]:
        return f"{short(id)} ends with its runtime\n"
    return f"{short(id)} still running\n" if is_accepted else f"{short(id)} not accepted yet\n"


def _finish(id: str, live: Any, form: str | None, options: dict[str, Any], code: int) -> int:
    from runt.shows import value_text

    if code == exits.STDOUT_CLOSED:
        return code
    if options["json"]:
        from runt.jsonout import print_document

        print_document("execution", session.call("execution.get", {"execution": id}))
    elif options["quiet"]:
        sys.stdout.write(f"{short(id)}\n")
    elif form and live.status == "done":
        sys.stdout.write(value_text(live.result, form))
    return code


def _throwaway(params: dict[str, Any], options: dict[str, Any]) -> int:
    """Run in a runtime of its own, which is gone afterwards, however it ends."""
    from runt import throwaway
    from runt.live import Detached

    names = ("project", "cwd", "env", "kernel_name", "environment", "name")
    start: dict[str, Any] = {name: params.pop(name) for name in names if name in params}
    start.setdefault("name", f"throwaway-{short(params['id'])}")
    try:
        runtime = throwaway.start(start)
    except Detached as detached:
        return detached.exit_code
    try:
        return follow({**params, "runtime": runtime["id"]}, options)
    finally:
        throwaway.remove(runtime["id"])


def __getattr__(name: str) -> click.Command:
    """Make ``command`` when click asks for it: the usual ``eval`` never imports click."""
    if name != "command":
        raise AttributeError(name)
    from runt.options import evaluation_command

    return evaluation_command("eval", evaluate, HELP)
