"""``runt eval``: run code, show what it prints as it prints it, and its value."""

from __future__ import annotations

import sys

from runt import building, exits, session, submission
from runt.failures import DeniedFailure, UsageFailure
from runt.ids import new_id, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import click

#: Types of events that are needed where output is asked for at the end.
_WITHOUT_OUTPUT = ["execution", "input", "gap"]

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
    building.announce(params)
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
    if _has_form(options):
        from runt import presenting

        presenting.check(options)
        for other in wanted:
            if other != "--json" and _is_at_end(options):
                form = "--format" if options["format"] else "--max-chars"
                raise UsageFailure(f"{form} and {other} exclude each other")
    if options["detach"]:
        for other in ("rm", "raw", "value", "wait", "format", "max_chars", "save_images"):
            if options[other]:
                other = other.replace("_", "-")
                raise UsageFailure(f"--detach and --{other} exclude each other")
    if options["rm"] and options["runtime"]:
        raise UsageFailure("--rm makes a runtime of its own; --runtime names one that is there")
    if options["stdin"] and options["no_stdin"]:
        raise UsageFailure("--stdin and --no-stdin exclude each other")


def follow(params: dict[str, Any], options: dict[str, Any]) -> int:
    """Submit and follow to the end; print what was asked for."""
    from runt.feed import Feed
    from runt.live import Detached, Live
    from runt.shows import Lines, Shows, ended_sentence
    from runt.signals import Signals
    from runt.terminal import Answers
    from runt.writer import Writer

    form = "text" if options["raw"] else options["value"]
    writer = Writer()
    is_at_end = _is_at_end(options)
    shows = Shows(
        streams_to=2 if form else None,
        results=not form,
        silent=options["quiet"] or is_at_end,
    )
    if options["json"] and not is_at_end:
        shows = Lines()
    with Signals() as signals:
        feed = Feed(
            signals.leaving_default(session.connect),
            # What is shown at the end need not come here as it is printed.
            {"execution": params["id"], **({"types": _WITHOUT_OUTPUT} if is_at_end else {})},
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
            left = _left_behind(live, options)
            if code != exits.WAIT_EXPIRED or not (options["json"] or _has_form(options)):
                _say(left)
                return code
            return _finish(params["id"], live, form, options, code, left)
        finally:
            feed.close()
    sentence = ended_sentence(params["id"], live.status, live.reason)
    left = f"runt: {sentence}\n" if sentence and code != exits.STDOUT_CLOSED else ""
    return _finish(params["id"], live, form, options, code, left)


def _say(sentence: str) -> None:
    """Write to stderr; where the terminal is gone there is nobody to tell."""
    try:
        sys.stderr.write(sentence)
        sys.stderr.flush()
    except OSError:
        pass


def _left_behind(live: Any, options: dict[str, Any]) -> str:
    id = short(live.id)
    if options["rm"]:
        return f"{id} ends with its runtime\n"
    if not live.is_accepted:
        return f"{id} not accepted yet\n"
    if not _is_at_end(options):
        return f"{id} still running\n"
    status = "waiting for input" if live.status == "waiting_input" else live.status
    if status == "queued":
        from runt.presenting import before

        status += before(live.id)
    budget = f" --max-chars {options['max_chars']}" if options["max_chars"] else ""
    see = f"`runt output {id} --wait 60{budget}` waits for it and shows it"
    return f"{id} still {status}; {see}, `runt interrupt {id}` ends it\n"


def _finish(
    id: str, live: Any, form: str | None, options: dict[str, Any], code: int, sentence: str
) -> int:
    """Print what was asked for, and the sentence about its end; return the exit code."""
    from runt.shows import value_text

    if not _is_at_end(options):
        _say(sentence)
        sentence = ""
    if code == exits.STDOUT_CLOSED:
        return code
    if _has_form(options) or options["json"]:
        from runt.presenting import present

        try:
            said = present(id, options)
        except DeniedFailure as failure:  # its images; the code is not over, or it is
            _say(sentence)
            if code != exits.WAIT_EXPIRED:
                raise
            _say(f"runt: {failure}\n")
            return code
        # Of what was shown at the end nobody has seen yet what it raised.
        code = said if live.status == "error" and _is_at_end(options) else code
    if options["quiet"]:
        sys.stdout.write(f"{short(id)}\n")
    elif form and live.status == "done":
        sys.stdout.write(value_text(live.result, form))
    sys.stdout.flush()
    _say(sentence)
    return code


def _has_form(options: dict[str, Any]) -> bool:
    """Say whether more is asked for than what it prints as it prints it."""
    return any(options.get(name) is not None for name in ("format", "max_chars", "save_images"))


def _is_at_end(options: dict[str, Any]) -> bool:
    """Say whether nothing is shown before it is over."""
    return options.get("format") is not None or options.get("max_chars") is not None


def _throwaway(params: dict[str, Any], options: dict[str, Any]) -> int:
    """Run in a runtime of its own, which is gone afterwards, however it ends."""
    from runt import throwaway
    from runt.live import Detached

    names = ("project", "cwd", "env", "kernel_name", "environment", "name", "dependencies")
    start: dict[str, Any] = {name: params.pop(name) for name in names if name in params}
    if building.HEADER in params["code"]:
        start["code"] = params["code"]
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
