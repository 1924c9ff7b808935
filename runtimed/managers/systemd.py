"""The service under ``systemd --user``."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from runtimed.managers import drop_ins, files, linger, units
from runtimed.managers.detached import COMMAND, Detached, holder_of
from runtimed.managers.failures import ForeignFile, ServiceFailure
from runtimed.managers.handover import KeeperStays, hand_over
from runtimed.managers.instance import of_service
from runtimed.managers.programs import run, runtimed_program, said
from runtimed.managers.protocol import NOT_RUNNING, LogPlaces, Status, Unit
from runtimed.managers.trial import try_out
from runtimed.paths import user_runtime_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimed.managers.instance import Instance


#: So many lines of the journal say why a unit could not be started.
_REASON_LINES = 5


def reachable() -> str | None:
    """Return the runtime directory of a user manager that answers, None if there is none."""
    runtime_dir = user_runtime_dir()
    if runtime_dir is None or shutil.which("systemctl") is None:
        return None
    if not os.path.exists(os.path.join(runtime_dir, "systemd", "private")):
        return None
    # Not by a connect of our own: hung up without a word, it is an error in the manager's log.
    asked = run(["systemctl", "--user", "show", "--property=Version"], _env(runtime_dir))
    return runtime_dir if asked.returncode == 0 else None


def _env(runtime_dir: str) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": runtime_dir}


class Systemd:
    """A user manager; see `runtimed.managers.protocol.Manager`."""

    name = "systemd"

    def __init__(self, instance: Instance, runtime_dir: str) -> None:
        self._wanted = instance
        text = self._installed_service()
        self.instance = instance.as_served_by(None if text is None else units.variables_of(text))
        self.env = _env(runtime_dir)

    @property
    def daemon_units(self) -> tuple[str, str]:
        """The daemon's unit: as it is installed, and as it is started where none is."""
        return units.DAEMON, f"runtimed-auto{self.instance.suffix}.service"

    @property
    def keeper_units(self) -> tuple[str, str]:
        """The keeper's unit, likewise."""
        return units.KEEPER, f"runtimed-auto-keeper{self.instance.suffix}.service"

    # What is installed

    def is_installed(self) -> bool:
        text = self._installed_service()
        return text is not None and units.is_of(text, self.instance)

    def elsewhere(self) -> str | None:
        theirs = of_service(units.variables_of(self._installed_service() or ""))
        if self._installed_service() is None or theirs.state_dir != self.instance.state_dir:
            return None
        return theirs.socket if theirs.socket != self.instance.socket else None

    def _try_out(self, command: Sequence[str] | None = None) -> None:
        """Raise `Unfit` if the daemon could not start in the environment that it would get.

        ``command`` is a transient unit's, which gets settings of ours.
        """
        environ = units.environment_of(self.systemctl("show-environment"))
        if command:
            environ |= {n: v for n, v in os.environ.items() if n.startswith("RUNTIMED_")}
            environ |= self.instance.variables()
        else:
            # Also what a drop-in says.
            shown = self.systemctl("show", f"--property={drop_ins.PROPERTIES}", units.DAEMON)
            environ |= drop_ins.environment_of(shown) | self.instance.unusual()
            environ = drop_ins.with_files(environ, shown)
            program = runtimed_program()
            command = drop_ins.command_of(shown, self.installed_program(), program)
        try_out(command, environ)

    def installed_program(self) -> str | None:
        """Return the program that the installed service starts."""
        text = self._installed_service()
        return None if text is None else units.program_of(text)

    def _installed_service(self) -> str | None:
        try:
            with open(self._path(units.DAEMON), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            return None
        return text if files.version_of(text) else None

    def _path(self, unit: str) -> str:
        return os.path.join(self._directory(), unit)

    def _directory(self) -> str:
        """Return where the user's own units are, as manager and caller agree."""
        home = os.path.expanduser("~/.config")
        return os.path.join(os.environ.get("XDG_CONFIG_HOME") or home, "systemd", "user")

    def _check_directory(self) -> None:
        """Raise `ServiceFailure` if the manager does not look for units where we write them."""
        looks = self.systemctl("show", "--property=UnitPath", "--value").split()
        if looks and self._directory() not in looks:
            raise ServiceFailure(
                f"the user manager does not look for units in {self._directory()}, only in "
                f"{', '.join(looks[:3])}, …; is XDG_CONFIG_HOME or HOME set for this shell only?"
            )

    def install(self) -> list[str]:
        self._check_directory()
        for unit in units.UNITS:
            self._refuse_packaged(unit)
        if (text := self._installed_service()) and not units.is_of(text, self.instance):
            raise ForeignFile(
                f"{self._path(units.DAEMON)} is of a service with another state directory or "
                "socket; `runt service uninstall` with its RUNTIMED_* variables goes first"
            )
        self.instance, done = self.instance.with_settings_of(self._wanted)
        self._try_out()
        written = self._write()
        self.systemctl("enable", "--quiet", units.SOCKET_UNIT, units.DAEMON)
        return [
            *done,
            *(f"wrote {path}" for path in written),
            "it starts at login, or when it is first spoken to",
            *self._start(is_written=bool(written)),
        ]

    def _refuse_packaged(self, unit: str) -> None:
        """Refuse a unit of that name that is not ours: in our place, or in /usr/lib say."""
        for path in (self._path(unit), self._show(unit)["FragmentPath"]):
            if path:
                files.refuse_foreign(path)

    def _write(self) -> list[str]:
        """Write the files that differ, and tell the manager; return their paths.

        Raises `ForeignFile` if one is not ours, before any is written.
        """
        for unit in units.UNITS:
            files.refuse_foreign(self._path(unit))
        program = runtimed_program()
        wanted = {u: units.render(u, program, self.instance) for u in units.UNITS}
        written = [
            self._path(unit) for unit, text in wanted.items() if files.write(self._path(unit), text)
        ]
        if written:
            self.systemctl("daemon-reload")
        return written

    def renew(self) -> list[str]:
        return [f"wrote {path}" for path in self._write()] if self.is_installed() else []

    def uninstall(self) -> list[str]:
        done = self.stop(keeper=True)
        there = [unit for unit in units.UNITS if os.path.lexists(self._path(unit))]
        if not self.is_installed():
            return [*done, "it was not installed"]
        self.systemctl("disable", "--quiet", units.SOCKET_UNIT, units.DAEMON)
        removed = [self._path(unit) for unit in there if files.remove(self._path(unit))]
        self.systemctl("daemon-reload")
        self.systemctl("reset-failed", units.DAEMON, units.KEEPER, check=False)
        return done + [f"removed {path}" for path in removed]

    # What runs

    def start(self) -> list[str]:
        if not self.is_installed():
            raise ServiceFailure("the service is not installed; `runt service install` does it")
        self._try_out()
        written = self._write()
        return [f"wrote {path}" for path in written] + self._start(is_written=bool(written))

    def _start(self, *, is_written: bool = False) -> list[str]:
        before = holder_of(self.instance.state.daemon_lock)
        self.start_units()
        pid = self._pid(units.DAEMON)
        if before == pid and is_written:
            return [f"runs as it was (pid {pid}); `runt service restart` moves it to what is new"]
        if before == pid:
            return [f"runs already (pid {pid})"]
        if before is not None:
            return [f"started (pid {pid}), in place of the one that ran (pid {before})"]
        return [f"started (pid {pid})"]

    def start_units(self, *, again: bool = False) -> None:
        """Start what is installed; the daemon ``again``, though it runs. Raises `ServiceFailure`.

        Also where it has been tried in vain too often, or its socket can no longer be reached.
        """
        self.systemctl("reset-failed", *units.UNITS, check=False)
        listens = self._show(units.SOCKET_UNIT)["ActiveState"] == "active"
        if not (listens and os.path.exists(self.instance.socket)):
            # No socket is opened for a daemon that runs, nor again for one whose path was removed.
            self.systemctl("stop", units.SOCKET_UNIT, units.DAEMON)
        elif again:
            self._begin("restart", units.DAEMON)
        self._begin("start", units.KEEPER, units.SOCKET_UNIT, units.DAEMON)

    def _begin(self, *args: str) -> None:
        """Run `systemctl`; where that fails, what the daemon said of it is the reason."""
        begin = time.time()
        try:
            self.systemctl(*args)
        except ServiceFailure as failure:
            argv = ["journalctl", f"--user-unit={units.DAEMON}", f"--since=@{begin:.3f}"]
            options = ["--quiet", "--no-pager", "--output=cat", f"--lines={_REASON_LINES}"]
            reason = said(run([*argv, *options], self.env))
            raise ServiceFailure(f"{failure}: {reason}" if reason else str(failure)) from None

    def stop(self, *, keeper: bool) -> list[str]:
        doomed = [units.SOCKET_UNIT, *self.daemon_units] if self.is_installed() else []
        doomed = doomed or [self.daemon_units[1]]
        ran = any(self._pid(unit) for unit in doomed if unit.endswith(".service"))
        keepers = self.keeper_units if self.is_installed() else self.keeper_units[1:]
        # One after the other: a daemon that misses its keeper starts it again.
        for group in (doomed, keepers) if keeper else (doomed,):
            there = [unit for unit in group if self._show(unit)["LoadState"] == "loaded"]
            if there:
                self.systemctl("stop", *there)
        if keeper and self.is_installed():
            self.systemctl("stop", units.SLICE, check=False)
        return ["stopped"] if ran else [NOT_RUNNING]

    def restart(self, keeper_pid: int | None) -> list[str]:
        if not self.is_installed():
            return self._restart_others(keeper_pid)
        self._try_out()
        done = [f"wrote {path}" for path in self._write()]
        ran = holder_of(self.instance.state.daemon_lock) is not None
        handed_over: list[str] = []
        stays = None
        if keeper := self._pid(units.KEEPER):
            program = self.installed_program() or runtimed_program()
            handed_over, stays = self._hand_over(units.KEEPER, keeper, [program])
        self.start_units(again=True)
        return self._restarted(
            [*done, *handed_over], units.DAEMON, stays, "restarted" if ran else "started"
        )

    def _restart_others(self, keeper_pid: int | None) -> list[str]:
        """Restart a daemon that is no installed one: a transient unit, or nobody's."""
        daemon, keeper = self.daemon_units[1], self.keeper_units[1]
        if not self._pid(daemon):
            if holder_of(self.instance.state.daemon_lock) is not None:
                return Detached(self.instance).restart(keeper_pid)
            raise ServiceFailure("the service is not installed; `runt service install` does it")
        self._try_out(COMMAND)
        handed_over: list[str] = []
        stays = None
        if pid := self._pid(keeper):
            handed_over, stays = self._hand_over(keeper, pid, COMMAND)
        from runtimed.managers.autostart import start_transient

        # Not `restart`: that is of the program which it was started with.
        self.systemctl("stop", daemon)
        start_transient(self, self.instance, COMMAND)
        return self._restarted(handed_over, daemon, stays)

    def _hand_over(
        self, unit: str, pid: int, command: Sequence[str]
    ) -> tuple[list[str], KeeperStays | None]:
        """Have the keeper start its successor, and leave; return what came of it."""

        # Not `reload`: a transient unit has no command for it (systemd 252 spoils its $MAINPID).
        def ask() -> None:
            self.systemctl("kill", "--kill-who=main", "--signal=HUP", unit)

        try:
            came = hand_over(self.instance, pid, command, ask)
        except KeeperStays as stays:
            return [], stays
        successor = self._pid(unit)
        return [f"the keeper {came} (pid {pid}" + (f" to {successor})" if successor else ")")], None

    def _restarted(
        self, done: list[str], daemon: str, stays: KeeperStays | None, verb: str = "restarted"
    ) -> list[str]:
        pid = self._pid(daemon)
        if stays:
            raise ServiceFailure(f"the daemon was {verb} (pid {pid}), but {stays}")
        return [*done, f"{verb} (pid {pid})"]

    def stops_at_once(self) -> None:
        """End what was begun and failed, so that it does not go on trying; best effort."""
        names = (units.SOCKET_UNIT, *self.daemon_units) if self.is_installed() else ()
        self.systemctl("stop", *(names or self.daemon_units[1:]), check=False)

    # What can be seen

    def status(self) -> Status:
        program = None
        try:
            program = runtimed_program()
        except ServiceFailure:
            pass
        installed = self.is_installed()
        names = units.UNITS if installed else ()
        shown = [self._unit(name) for name in names]
        for name in (self.daemon_units[1], self.keeper_units[1]):
            unit = self._unit(name)
            if unit.pid:
                shown.append(unit)
        return Status(
            manager=self.name,
            installed=installed,
            running=any(unit.pid for unit in shown if unit.name in self.daemon_units),
            enabled=any(bool(unit.enabled) for unit in shown) if installed else False,
            linger=linger.is_on(),
            program=self.installed_program() if installed else None,
            units=shown,
            files=[
                files.look(self._path(unit), units.render(unit, program or "", self.instance))
                for unit in units.UNITS
            ],
        )

    def _unit(self, name: str) -> Unit:
        shown = self._show(name)
        enabled = {"enabled": True, "disabled": False}.get(shown["UnitFileState"])
        pid = int(shown.get("MainPID", 0)) or None
        text = shown.get("StatusText", "") if pid else ""
        return Unit(name, shown["ActiveState"], pid, enabled, text)

    def _pid(self, unit: str) -> int | None:
        return int(self._show(unit).get("MainPID", 0)) or None

    def _show(self, unit: str) -> dict[str, str]:
        names = "LoadState,ActiveState,MainPID,UnitFileState,FragmentPath,StatusText,Environment"
        printed = self.systemctl("show", f"--property={names}", unit)
        pairs = (line.partition("=") for line in printed.splitlines())
        return {name: value for name, _, value in pairs}

    def logs(self) -> LogPlaces:
        state = self.instance.state
        names: tuple[str, ...] = (*self.daemon_units, *self.keeper_units)
        if os.path.exists(state.daemon_log) and not self.is_installed():
            # It runs, or ran, detached, unless one that was started by us runs now.
            if not any(self._pid(unit) for unit in names):
                return LogPlaces(files=[state.daemon_log, state.keeper_log])
        if self._installed_service() and not self.is_installed():
            names = (self.daemon_units[1], self.keeper_units[1])  # the others are another's
        # Not --user: root's user units write to the system's journal.
        return LogPlaces(journal=["journalctl", *(f"--user-unit={unit}" for unit in names)])

    def systemctl(self, *args: str, check: bool = True) -> str:
        """Run ``systemctl --user`` and return what it printed. Raises `ServiceFailure`."""
        asked = run(["systemctl", "--user", "--no-pager", *args], self.env)
        if asked.returncode and check:
            raise ServiceFailure(f"`systemctl --user {' '.join(args)}`: {said(asked)}")
        return asked.stdout
