"""The service under launchd: two LaunchAgents, and ``launchctl``."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from runtimed.managers import files, plists
from runtimed.managers.detached import holder_of
from runtimed.managers.failures import ForeignFile, ServiceFailure
from runtimed.managers.handover import KeeperStays, hand_over
from runtimed.managers.instance import of_service
from runtimed.managers.programs import run, runtimed_program, said
from runtimed.managers.protocol import NOT_RUNNING, LogPlaces, Status, Unit
from runtimed.managers.trial import try_out
from runtimed.paths import make_dirs, private_dir

if TYPE_CHECKING:
    import subprocess

    from runtimed.managers.instance import Instance

#: launchd kills what has not ended after ExitTimeOut, which is 30 s in our plists.
GONE_S = 40.0
READY_S = 30.0
#: A job that has had no process for so long has ended: launchd starts one at once.
ENDED_S = 2.0
_STEP_S = 0.05
#: How often launchctl is asked, which is a process each time.
_LOOK_S = 0.25
_TAIL_BYTES = 2048
#: A variable that a job gets, as `launchctl print` has it.
_GIVEN = re.compile(r"(?m)^\s*(RUNTIMED_\w+) => (.*)$")


class Launchd:
    """launchd's domain of one user; see `runtimed.managers.protocol.Manager`."""

    name = "launchd"

    def __init__(self, instance: Instance) -> None:
        self._wanted = instance
        text = self._installed(plists.DAEMON)
        self.instance = instance.as_served_by(None if text is None else plists.variables_of(text))
        self._domain: str | None = None

    # What is installed

    def is_installed(self) -> bool:
        text = self._installed(plists.DAEMON)
        return text is not None and plists.is_of(text, self.instance)

    def _is_ours(self, label: str) -> bool:
        """Return whether a job is of this instance: another's is neither ended nor changed."""
        if os.path.lexists(path := self._path(label)):
            text = self._installed(label)
            return text is not None and plists.is_of(text, self.instance)
        # Its file is gone: the job tells where it was, and what it was given.
        job = self._job(label) or ""
        given = dict(_GIVEN.findall(job))
        is_from_there = _is_same(_path_of(job), path)
        return is_from_there and (not given or self.instance.is_served_by(given))

    def elsewhere(self) -> str | None:
        text = self._installed(plists.DAEMON)
        theirs = of_service(plists.variables_of(text or ""))
        if text is None or theirs.state_dir != self.instance.state_dir:
            return None
        return theirs.socket if theirs.socket != self.instance.socket else None

    def _installed(self, label: str) -> str | None:
        try:
            with open(self._path(label), encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            return None
        return text if files.version_of(text) else None

    def _path(self, label: str) -> str:
        return os.path.expanduser(f"~/Library/LaunchAgents/{label}.plist")

    def install(self) -> list[str]:
        self._refuse_others()
        self.instance, done = self.instance.with_settings_of(self._wanted)
        self._try_out()
        done += self._write()
        return [*done, "it starts at login, or when it is first spoken to", *self._start()]

    def _refuse_others(self) -> None:
        """Raise `ForeignFile` if a plist or a job of the name is not of this instance."""
        for label in plists.LABELS:
            path, text = self._path(label), self._installed(label)
            files.refuse_foreign(path)
            if text is not None and not plists.is_of(text, self.instance):
                raise ForeignFile(
                    f"{path} is of a service with another state directory or socket; "
                    "`runt service uninstall` with its RUNTIMED_* variables goes first"
                )
            theirs = _path_of(self._job(label) or "")
            if theirs and not _is_same(theirs, path):
                raise ForeignFile(f"launchd has a job {label} from {theirs}, which is not ours")

    def _try_out(self) -> None:
        """Raise `Unfit` if the daemon could not start."""
        program = runtimed_program()
        try_out([program], plists.environment_of(plists.DAEMON, program, self.instance))

    def _write(self) -> list[str]:
        """Write the plists that differ, each when the job that is loaded from it has gone.

        A keeper hands its kernels over first, if it does.
        """
        self._refuse_others()
        program = runtimed_program()
        for directory in (plists.logs_dir(), os.path.dirname(self._path(plists.DAEMON))):
            make_dirs(directory)
        done = []
        for label in plists.LABELS:
            path, text = self._path(label), plists.render(label, program, self.instance)
            if files.look(path, text).state == "current":
                continue
            if label == plists.KEEPER:
                handed_over, stays = self._hand_over(program)
                done += [str(stays)] if stays else handed_over
            self._bootout(label)
            files.write(path, text)
            done.append(f"wrote {path}")
        return done

    def _hand_over(self, program: str) -> tuple[list[str], KeeperStays | None]:
        """Have the job's keeper start a successor that is not launchd's, and leave."""
        pid = self._job_pid(plists.KEEPER)
        if pid is None:
            return [], None

        def ask() -> None:
            self._launchctl("kill", "SIGHUP", self._target(plists.KEEPER))

        try:
            came = hand_over(self.instance, pid, [program], ask)
        except KeeperStays as stays:
            return [], stays
        return [f"the keeper (pid {pid}) {came}"], None

    def renew(self) -> list[str]:
        done = self._write() if self.is_installed() else []
        return done + self._start() if done else []

    def uninstall(self) -> list[str]:
        gone = [label for label in plists.LABELS if not os.path.lexists(self._path(label))]
        gone = [label for label in gone if self._is_ours(label)]
        done = self.stop(keeper=True)
        done += [f"unloaded {label}, whose file was gone" for label in gone]
        ours = [self._path(label) for label in plists.LABELS if self._is_ours(label)]
        removed = [path for path in ours if files.remove(path)]
        return done + (
            [f"removed {path}" for path in removed] or ([] if gone else ["it was not installed"])
        )

    # What runs

    def start(self) -> list[str]:
        self._require_installed()
        self._refuse_others()
        self._try_out()
        return self._write() + self._start()

    def _require_installed(self) -> None:
        if not self.is_installed():
            raise ServiceFailure("the service is not installed; `runt service install` does it")

    def _start(self) -> list[str]:
        before = holder_of(self.instance.state.daemon_lock)
        log = plists.log_of(plists.DAEMON)
        begin = os.path.getsize(log) if os.path.exists(log) else 0
        try:
            # launchd makes the socket, but not its directory.
            private_dir(os.path.dirname(self.instance.socket))
        except OSError as error:
            raise ServiceFailure(str(error)) from None
        for label in plists.LABELS:
            if self._job(label) is None:
                self._bootstrap(label)
            elif self._job_pid(label) is None:
                self._launchctl("kickstart", self._target(label))
        pid = self._wait_for_daemon(log, begin)
        if before == pid:
            return [f"runs already (pid {pid})"]
        instead = f", in place of the one that ran (pid {before})" if before else ""
        return [f"started (pid {pid}){instead}"]

    def _wait_for_daemon(self, log: str, begin: int) -> int:
        """Wait until launchd's own daemon has the state directory, and return its pid.

        launchd tells nobody when a job is ready, or when it is none any more.
        """
        deadline = time.monotonic() + READY_S
        ended_at: float | None = None
        holder: int | None = None
        asked_at = 0.0
        while (now := time.monotonic()) < deadline:
            before, holder = holder, holder_of(self.instance.state.daemon_lock)
            if holder != before or now - asked_at > _LOOK_S:
                pid, asked_at = self._job_pid(plists.DAEMON), now
                if pid is not None and pid == holder:
                    return pid
                ended_at = None if pid is not None else ended_at or now
                if ended_at is not None and now - ended_at > ENDED_S:
                    raise ServiceFailure(f"the daemon has ended{_tail(log, begin)}")
            time.sleep(_STEP_S)
        raise ServiceFailure(f"the daemon has not started in {READY_S:.0f} s{_tail(log, begin)}")

    def stop(self, *, keeper: bool) -> list[str]:
        ran = self._is_ours(plists.DAEMON) and self._job_pid(plists.DAEMON) is not None
        for label in (plists.DAEMON, plists.KEEPER) if keeper else (plists.DAEMON,):
            if self._is_ours(label):
                self._bootout(label)
        return ["stopped"] if ran else [NOT_RUNNING]

    def restart(self, keeper_pid: int | None) -> list[str]:
        self._require_installed()
        self._refuse_others()
        self._try_out()
        # Before its plist changes: to load another one, launchd ends the job first.
        done, stays = self._hand_over(runtimed_program())
        if stays is None:
            done += self._write()
        if self._job_pid(plists.DAEMON) is not None:
            self._launchctl("kickstart", "-k", self._target(plists.DAEMON))
        done += [text.replace("started", "restarted") for text in self._start()]
        if stays:
            raise ServiceFailure(f"the daemon was restarted, but {stays}")
        return done

    # launchctl

    def _target(self, label: str) -> str:
        return f"{self.domain}/{label}"

    @property
    def domain(self) -> str:
        """The user's domain: that of the screen, or where nobody is logged in there, the other."""
        if self._domain is None:
            gui = f"gui/{os.getuid()}"
            has_gui = run(["launchctl", "print", gui]).returncode == 0
            self._domain = gui if has_gui else f"user/{os.getuid()}"
        return self._domain

    def _bootstrap(self, label: str) -> None:
        """Load a job. What launchd calls error 5 may be a job that is loaded or disabled."""
        self._launchctl("enable", self._target(label))
        asked = self._ask("bootstrap", self.domain, self._path(label))
        if asked.returncode:
            self._bootout(label)
            asked = self._ask("bootstrap", self.domain, self._path(label))
        if asked.returncode:
            raise ServiceFailure(
                f"`launchctl bootstrap {self.domain} {self._path(label)}`: {said(asked)}"
            )

    def _bootout(self, label: str) -> None:
        """Unload a job, and wait until it has gone: it is ended first."""
        if self._job(label) is None:
            return
        self._ask("bootout", self._target(label))
        deadline = time.monotonic() + GONE_S
        while self._job(label) is not None:
            if time.monotonic() > deadline:
                raise ServiceFailure(f"launchd has not let go of {label} in {GONE_S:.0f} s")
            time.sleep(_STEP_S)

    def _job(self, label: str) -> str | None:
        """Return what launchd prints of a job, None if it is not loaded."""
        asked = self._ask("print", self._target(label))
        return asked.stdout if asked.returncode == 0 else None

    def _job_pid(self, label: str) -> int | None:
        found = re.search(r"(?m)^\s*pid = (\d+)$", self._job(label) or "")
        return int(found[1]) if found else None

    def _launchctl(self, *args: str) -> None:
        asked = self._ask(*args)
        if asked.returncode:
            raise ServiceFailure(f"`launchctl {' '.join(args)}`: {said(asked)}")

    def _ask(self, *args: str) -> subprocess.CompletedProcess[str]:
        return run(["launchctl", *args])

    # What can be seen

    def status(self) -> Status:
        installed = self.is_installed()
        text = self._installed(plists.DAEMON)
        shown = [self._unit(label) for label in plists.LABELS] if installed else []
        try:
            program = runtimed_program()
        except ServiceFailure:
            program = ""
        return Status(
            manager=self.name,
            installed=installed,
            running=any(unit.pid for unit in shown if unit.name == plists.DAEMON),
            enabled=installed,
            program=plists.program_of(text) if text else None,
            units=shown,
            files=[
                files.look(self._path(label), plists.render(label, program, self.instance))
                for label in plists.LABELS
            ],
        )

    def _unit(self, label: str) -> Unit:
        job = self._job(label)
        state = re.search(r"(?m)^\s*state = (.+)$", job or "")
        return Unit(
            label, state[1] if state else "not loaded", self._job_pid(label), job is not None
        )

    def logs(self) -> LogPlaces:
        state = self.instance.state
        # launchd's own files have what was said before the log was opened, a crash's reason say.
        labels = reversed(plists.LABELS) if self.is_installed() else ()
        first = [plists.log_of(label) for label in labels]
        return LogPlaces(files=[state.daemon_log, state.keeper_log, *first])


def _path_of(job: str) -> str | None:
    found = re.search(r"(?m)^\s*path = (.+)$", job)
    return found[1] if found else None


def _is_same(path: str | None, ours: str) -> bool:
    """Return whether a job's path is this one of ours; a home may be a link."""
    return path is not None and os.path.realpath(path) == os.path.realpath(ours)


def _tail(log: str, begin: int) -> str:
    """Return what was written to a log since it was so long, or where to look."""
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            file.seek(max(begin, os.path.getsize(log) - _TAIL_BYTES))
            tail = file.read().strip()
    except OSError:
        tail = ""
    return f":\n{tail}" if tail else f"; {log} may tell why"
