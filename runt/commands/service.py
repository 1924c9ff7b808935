"""``runt service``: the daemon as a service of the operating system."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import click

from runt import exits, jsonout, service_report, session
from runt.failures import ConflictFailure, DeniedFailure, Failure, UsageFailure
from runt.options import json_option, quiet_option
from runtimed.client.connecting import CallFailed
from runtimed.managers import keepers, linger
from runtimed.managers.detached import Detached, holder_of, start_keeper, wait_until_free
from runtimed.managers.failures import ForeignFile, ServiceFailure, Unfit
from runtimed.managers.instance import Instance, current
from runtimed.managers.protocol import NOT_RUNNING, Manager, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: How long daemon and keeper may take to go once their kernels have ended; under systemd the keeper
#: comes back at once, and is stopped by what follows.
_END_S = 10.0


class Unreached(Failure):
    """The service manager, or the daemon, did not do it."""

    exit_code = exits.UNREACHABLE


#: By the exit status of `runtimed --check`.
_UNFIT: dict[int, type[Failure]] = {exits.USAGE: UsageFailure, exits.DENIED: DeniedFailure}


@contextlib.contextmanager
def _service() -> Iterator[tuple[Manager, Instance]]:
    """Find the manager of this machine; what it refuses becomes a sentence and an exit code."""
    try:
        manager = choose(current())
        yield manager, manager.instance
    except ForeignFile as failure:
        raise ConflictFailure(str(failure)) from None
    except Unfit as failure:
        kind = _UNFIT.get(failure.status, Unreached)
        raise kind(f"{failure}; nothing was changed") from None
    except ServiceFailure as failure:
        raise Unreached(str(failure)) from None


def _act(act: Callable[[Manager, Instance], list[str]], *, quiet: bool, as_json: bool) -> None:
    """Do something to the service; print what was done, or what it is now."""
    with _service() as (manager, instance):
        if there := manager.elsewhere():
            raise ConflictFailure(
                f"the service of {instance.state_dir} answers at {there}, and not at "
                f"{instance.socket}; unset RUNTIMED_SOCKET, or set it to that"
            )
        done = act(manager, instance)
        done += _other_settings(manager)
        if as_json:
            document = service_report.document(manager, instance)
            jsonout.print_document("service", {**document, "done": done})
        elif quiet:
            _print_pid(instance)
        else:
            click.echo("\n".join(done))


def _other_settings(manager: Manager) -> list[str]:
    """Say that the service has other settings than those which the caller's environment names."""
    named, theirs = current().config, manager.instance.config
    if named in (None, theirs):
        return []
    said = f"its settings are those of {theirs or 'the usual file'}, and not of {named}"
    return [f"{said} (RUNTIMED_CONFIG); `runt service install` has it take those"]


def _print_pid(instance: Instance) -> None:
    if pid := holder_of(instance.state.daemon_lock):
        click.echo(pid)


@click.group("service", no_args_is_help=True)
def command() -> None:
    """Install, run and look after the daemon as a service: systemd --user, launchd, or neither.

    Where there is no service manager (a container), the daemon runs detached; all but install and
    uninstall do the same there.
    """


@command.command("install")
@click.option(
    "--linger/--no-linger",
    "lingers",
    default=None,
    help="Have it live on after logout (systemd), or do not ask.",
)
@quiet_option
@json_option
def install(lingers: bool | None, quiet: bool, as_json: bool) -> None:
    """Install the service, so that it comes at login, and start it.

    A daemon that runs is taken over with its kernels. Again: writes what an upgrade has changed.
    """

    def act(manager: Manager, instance: Instance) -> list[str]:
        done = manager.install()
        if manager.name == "systemd":
            try:
                done += _offer_linger(lingers, asks=not (quiet or as_json))
            except ServiceFailure as failure:
                raise Unreached(
                    "\n".join(
                        [*done, f"installed, but it does not live on after logout: {failure}"]
                    )
                ) from None
        return done

    _act(act, quiet=quiet, as_json=as_json)


def _offer_linger(wanted: bool | None, *, asks: bool) -> list[str]:
    if wanted is False or (wanted is None and linger.is_on() is not False):
        return []
    if wanted is None:
        told = "At logout the service ends, and with it its kernels"
        if not (asks and os.isatty(0) and click.confirm(f"{told}. Let them live on?", err=True)):
            return [f"{told[0].lower()}{told[1:]}; `{linger.COMMAND}` lets them live on"]
    linger.enable()
    return ["it lives on after logout (linger)"]


@command.command("uninstall")
@click.option("--kernels", is_flag=True, help="Also end the kernels that it has started.")
@click.option(
    "--purge",
    is_flag=True,
    help="Also delete the record of what ran, the settings, and cached environments.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask before that.")
@quiet_option
@json_option
def uninstall(kernels: bool, purge: bool, yes: bool, quiet: bool, as_json: bool) -> None:
    """Stop the service and remove its files. What is recorded stays, unless --purge.

    Refused while kernels of its own live, unless --kernels ends them.
    """

    def act(manager: Manager, instance: Instance) -> list[str]:
        if purge and not yes:
            _confirm_purge(instance)
        if not kernels:
            _refuse_living(instance)
        ended, went = _end_kernels(instance) if kernels else ([], False)
        done = ended + _after(went, manager.uninstall()) + _stop_detached(manager, instance)
        if purge:
            from runtimed.managers import data
            from runtimed.paths import cache_dir, config_file

            config = config_file(instance.variables())
            has_launchd = manager.name == "launchd"
            done += data.remove(instance, config, cache_dir(), has_launchd=has_launchd)
        return done

    _act(act, quiet=quiet, as_json=as_json)


def _confirm_purge(instance: Instance) -> None:
    if not os.isatty(0):
        raise UsageFailure("there is no terminal to ask at; --yes deletes without asking")
    if not click.confirm(f"Delete all that is recorded in {instance.state_dir}?", err=True):
        raise Failure("nothing was deleted, and nothing uninstalled")


def _after(went: bool, done: list[str]) -> list[str]:
    """Return what was done, where the daemon may have gone with its kernels before."""
    return ["stopped" if went and text == NOT_RUNNING else text for text in done]


def _refuse_living(instance: Instance) -> None:
    """Raise `ConflictFailure` while kernels live; a daemon is started to know, if need be."""
    if holder_of(instance.state.keeper_lock) is None:
        return
    alive = service_report.living_kernels(start=True)
    if alive is None and (pid := holder_of(instance.state.daemon_lock)) is not None:
        raise ConflictFailure(
            f"a daemon (pid {pid or 'unknown'}) has {instance.state_dir} and does not answer at "
            f"{instance.socket}: whether kernels live is unknown; `runt service restart` first, "
            "or --kernels does without knowing"
        )
    if alive:
        raise ConflictFailure(
            f"{service_report.counted(alive)} would be left without a keeper; "
            "`runt stop` them first, or --kernels ends them"
        )


def _end_kernels(instance: Instance) -> tuple[list[str], bool]:
    """End all kernels of ours in order, with the daemon, and have that on the record.

    Return what was done, and whether a daemon that ran before has gone.
    """
    ran = holder_of(instance.state.daemon_lock) is not None
    lacks_keeper = holder_of(instance.state.keeper_lock) is None
    if lacks_keeper and not _has_journals(instance):
        return [], False
    alive = service_report.living_kernels(start=True)
    try:
        session.call("daemon.stop", {"kernels": True})
    except CallFailed as failure:
        # Raises where the keeper does not answer either: then nothing has been done.
        if holder_of(instance.state.keeper_lock) is None:
            start_keeper(instance)
        keepers.end_kernels(instance.state)
        wait_until_free(instance.state.keeper_lock, _END_S)
        return [f"the keeper ended the kernels, as the daemon does not answer: {failure}"], False
    for lock in (instance.state.daemon_lock, instance.state.keeper_lock):
        wait_until_free(lock, _END_S)
    went = ran and holder_of(instance.state.daemon_lock) is None
    return [f"ended {service_report.counted(alive)}"] if alive else [], went


def _has_journals(instance: Instance) -> bool:
    """Return whether there may be kernels that have lost their keeper."""
    with contextlib.suppress(OSError):
        return bool(os.listdir(instance.state.journals))
    return False


def _stop_detached(manager: Manager, instance: Instance) -> list[str]:
    """Stop a daemon that no unit of the manager was."""
    if manager.name == "detached" or holder_of(instance.state.daemon_lock) is None:
        return []
    return [f"{text}, detached" for text in Detached(instance).stop(keeper=False)]


@command.command("start")
@quiet_option
@json_option
def start(quiet: bool, as_json: bool) -> None:
    """Start the service; a daemon that runs detached is taken over with its kernels."""
    _act(lambda manager, _: manager.start(), quiet=quiet, as_json=as_json)


@command.command("stop")
@click.option("--kernels", is_flag=True, help="Also end the kernels that it has started.")
@quiet_option
@json_option
def stop(kernels: bool, quiet: bool, as_json: bool) -> None:
    """Stop the daemon, and its socket. Its kernels live on with their keeper, unless --kernels.

    What they do meanwhile is recorded. The next `runt` that needs it starts it again.
    """

    def act(manager: Manager, instance: Instance) -> list[str]:
        if kernels:
            ended, went = _end_kernels(instance)
            done = ended + _after(went, manager.stop(keeper=True))
            return done + _stop_detached(manager, instance)
        runs = holder_of(instance.state.daemon_lock) is not None
        alive = service_report.living_kernels(start=False) if runs else None
        done = manager.stop(keeper=alive == 0) + _stop_detached(manager, instance)
        if alive:
            done.append(f"{service_report.lives(alive)}; --kernels ends them")
        return done

    _act(act, quiet=quiet, as_json=as_json)


@command.command("restart")
@quiet_option
@json_option
def restart(quiet: bool, as_json: bool) -> None:
    """Move keeper and daemon over to the program that is on disk now, as after an upgrade.

    Kernels live on, and nothing that they print meanwhile is lost. Refused where the settings could
    not be used.
    """

    def act(manager: Manager, instance: Instance) -> list[str]:
        daemon = service_report.daemon_status(instance)
        return manager.restart(daemon["keeper_pid"] if daemon else None)

    _act(act, quiet=quiet, as_json=as_json)


@command.command("status")
@quiet_option
@json_option
def status(quiet: bool, as_json: bool) -> int:
    """Say what runs, under which manager. Starts nothing; exits 5 where no daemon runs."""
    with _service() as (manager, instance):
        document = service_report.document(manager, instance)
    if as_json:
        jsonout.print_document("service", document)
    elif not quiet:
        click.echo(service_report.text(document), nl=False)
    elif document["running"]:
        click.echo(document["daemon"]["pid"])
    return exits.OK if document["running"] else exits.UNREACHABLE


@command.command("logs")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="So many entries of the end; 50, unless --since says from when on.",
)
@click.option(
    "--since", metavar="MOMENT", help="Only what was logged from then on: 2h, 2026-01-31."
)
@json_option
def logs(follow: bool, lines: int | None, since: str | None, as_json: bool) -> int:
    """Print what daemon and keeper have logged; `runt logs RUNTIME` has a kernel's own words.

    With --json, one line an entry when it follows.
    """
    from runt.service_logs import print_logs

    with _service() as (manager, instance):
        if instance.suffix and manager.name != "detached" and not manager.is_installed():
            click.echo(
                f"the service is not installed for {instance.state_dir}; this is the log of what "
                "was started there without it",
                err=True,
            )
        return print_logs(manager.logs(), lines=lines, since=since, follow=follow, as_json=as_json)
