"""Click options that verbs share, and the commands that are made of `evaluate_options`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeVar

import click

from runt import completing, exits, jsonout, session
from runt.commands.evaluate_options import (
    LEAST_CHARS,
    MOST_CHARS,
    MOST_S,
    OPTIONS,
    Option,
    split,
)
from runt.failures import UsageFailure
from runt.ids import short
from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

T = TypeVar("T")


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """A finite time, ten years at most; ``above_zero``: and not none at all."""

    name = "seconds"

    def __init__(self, *, above_zero: bool = False) -> None:
        self._above_zero = above_zero

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            seconds = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        if self._above_zero and seconds <= 0:
            self.fail(f"{value} is not more than 0 seconds.", param, ctx)
        if not 0 <= seconds <= MOST_S:  # so nan is none
            self.fail(f"{value} is not from 0 to {MOST_S:.0f} seconds (ten years).", param, ctx)
        return seconds


class _OneWay(click.Option):
    """A flag of two ways, of which one may be given."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        for name in (*self.opts, *self.secondary_opts):
            self._check(parser._long_opt[name], ctx)

    def _check(self, way: Any, ctx: click.Context) -> None:
        process = way.process

        def checked(value: Any, state: Any) -> None:
            if state.opts.get(self.name, way.const) != way.const:
                both = f"{self.opts[0]} and {self.secondary_opts[0]}"
                raise click.UsageError(f"{both} exclude each other.", ctx)
            process(value, state)

        way.process = checked


whose_option = click.option(
    "--mine/--foreign",
    cls=_OneWay,
    default=None,
    help="Only through runtimed, or only elsewhere.",
)
by_option = click.option(
    "--by",
    metavar="NAME",
    help="Only what came from this agent, or this kind of client: `mcp` means all of MCP.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print ids only.")


def runtimes_argument(
    status: str = "alive", *, required: bool = True
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Add RUNTIME..., of which shells offer those that are ``alive``, ``dead``, or ``all``."""
    return click.argument(
        "runtimes",
        nargs=-1,
        required=required,
        metavar="RUNTIME...",
        shell_complete=completing.runtimes(status),
    )


executions_argument = click.argument(
    "executions",
    nargs=-1,
    required=True,
    metavar="EXECUTION...",
    shell_complete=completing.pending(),
)


def ending_arguments(function: Callable[..., T]) -> Callable[..., T]:
    """Add RUNTIME... and ``--by``, one of which says what is to end; see `to_end`."""
    by = click.option(
        "--by",
        metavar="NAME",
        help="All that this agent, or this kind of client, has started: `mcp` means all of MCP.",
    )
    return runtimes_argument(required=False)(by(function))


def to_end(runtimes: tuple[str, ...], by: str | None) -> tuple[str, ...]:
    """Return what is to end: the runtimes that are named, or all that somebody has started."""
    if by is None:
        if not runtimes:
            raise UsageFailure("name a RUNTIME, or with --by who has started them")
        return runtimes
    if runtimes:
        raise UsageFailure("name runtimes or give --by, not both")
    # Before the list is made: what waits for its environment is not on it yet.
    called_off = _called_off(by)
    found = session.call("runtime.list", {"by": by})
    if called_off:
        starts = "a start" if called_off == 1 else f"{called_off} starts"
        click.echo(f"runt: called off {starts} of {by}, under way", err=True)
    elif not found:
        click.echo(f"runt: nothing that {by} has started is alive", err=True)
    return tuple(runtime["id"] for runtime in found)


def _called_off(by: str) -> int:
    """Call off the starts of somebody that are under way; return how many there were."""
    try:
        return int(session.call("runtime.call_off", {"by": by})["starts"])
    except CallFailed as failure:
        if failure.name != "MethodNotFound":
            raise
        return 0  # an older daemon's starts are listed at once


def for_each(references: tuple[str, ...], act: Callable[[str], int | None]) -> int:
    """Act on each; those that fail are said on stderr, and the first failure's exit code stays."""
    code = exits.OK
    for reference in references:
        failed = session.guarded(functools.partial(act, reference))
        code = code or failed
    return code


def start_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a runtime is started."""
    names = ("python", "name", "env", "clean_env", "with")
    for option in reversed([o for o in OPTIONS if o.name in names]):
        help = option.help.replace(", if one has to be started", "").replace(", likewise", "")
        function = click.option(*_names(option), help=help, **_how(option))(function)
    return function


def presentation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say in which form outputs are printed; see `runt.presenting`."""
    for option in reversed([o for o in OPTIONS if o.name in PRESENTATION]):
        help = option.help.replace("Once it is over, print", "Print")
        function = click.option(*_names(option), help=help, **_how(option))(function)
    return function


#: Names of the options that `presentation_options` adds.
PRESENTATION = ("format", "max_chars", "save_images")


def evaluation_command(
    verb: str, function: Callable[[dict[str, Any]], int], help: str
) -> click.Command:
    """Return the click command of a verb that takes code."""

    def callback(code: str | None, **options: Any) -> int:
        ctx = click.get_current_context()
        return function({**options, "code": code, "argv": ctx.meta.get(_ARGV)})

    params: list[click.Parameter] = [click.Argument(["code"], required=False, metavar="[CODE]")]
    params += [click.Option(_names(o), help=o.help, **_how(o)) for o in OPTIONS if verb in o.verbs]
    return Evaluation(
        verb,
        callback=callback,
        params=params,
        help=help,
        epilog="Words after -- are the code's own arguments, sys.argv[1:].",
    )


_ARGV = "runt.argv"


class Evaluation(click.Command):
    """A command whose words after ``--`` are not its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        args, ctx.meta[_ARGV] = split(args)
        return super().parse_args(ctx, args)


#: Metavar → what shells offer there.
_COMPLETED = {
    "RUNTIME": completing.runtimes(),
    "KERNEL": completing.kernels,
    "PATH": completing.files,
    "FILE": completing.files,
    "DIR": completing.files,
}


def _names(option: Option) -> list[str]:
    return [option.name, *option.flags]


def _how(option: Option) -> dict[str, Any]:
    if option.kind == "flag":
        return {"is_flag": True}
    how: dict[str, Any] = {"metavar": option.metavar}
    if option.metavar in _COMPLETED:
        how["shell_complete"] = _COMPLETED[option.metavar]
    if option.kind == "many":
        how["multiple"] = True
    elif option.kind == "seconds":
        how["type"] = Seconds()
    elif option.kind == "chars":
        how["type"] = click.IntRange(LEAST_CHARS, MOST_CHARS)
    elif isinstance(option.kind, tuple):
        how["type"] = click.Choice(option.kind)
    return how


#: What a verb does where nothing stands in its way: not worth a word.
_USUAL = {"stopped": "shutdown_request", "killed": "SIGKILL"}


def _how_ended(done: str, shown: str, how: str) -> str:
    if how == "already_dead":
        return f"already dead {shown}"
    return f"{done} {shown}" + ("" if how == _USUAL[done] else f" ({how})")


def end_all(
    method: str,
    done: str,
    params: dict[str, Any],
    runtimes: tuple[str, ...],
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    """End runtimes by a method that returns an ``Ended``; print what was done to each."""
    ended = []

    def end(reference: str) -> None:
        result = session.call(method, {"runtime": reference, **params})
        ended.append(result)
        if not as_json:
            shown = short(result["runtime"]["id"])
            click.echo(shown if quiet else _how_ended(done, shown, result["how"]))

    code = for_each(runtimes, end)
    if as_json:
        jsonout.print_document("ended", ended)
    return code
