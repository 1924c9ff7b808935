"""A real ``systemd --user`` of a test's own, as root or as an ordinary user; see sduser.sh."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.processes import processes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHECKOUT = Path(__file__).parents[2]
_SCRIPT = Path(__file__).with_name("sduser.sh")
_BIN = Path(sys.executable).parent
#: What a unit's ``@RUNTIMED@`` is: the program beside the interpreter that runs the tests.
RUNTIMED = _BIN / "runtimed"

#: Accounts as sduser.sh takes them. The ordinary users exist behind their manager only.
ROOT = "root"
ORDINARY = "rtest=23456"
ANOTHER = "rtest2=23457"
#: For ``@pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)``.
USERS = (ROOT, ORDINARY)
USER_IDS = ("root", "ordinary")

_START_SESSION = 'echo $$ >"$1"/cgroup.procs && cd "$2" && shift 2 && exec "$@"'
_END_TIMEOUT_S = 60.0


class Manager:
    """One user manager with its journal, a home, and a login session to run commands in.

    The login session (`run`, `popen`) is outside the manager's cgroup, as a person's shell is;
    its environment is `env`, and nothing of whoever runs the tests.
    """

    def __init__(self, account: str) -> None:
        self.account = account
        self._process = subprocess.Popen(
            [str(_SCRIPT), account, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "SDUSER_EXPOSE": _exposed()},
            start_new_session=True,  # a Ctrl-C is for the tests; they close its stdin
        )
        assert self._process.stdout is not None
        said: dict[str, str] = {}
        for line in self._process.stdout:
            name, is_pair, value = line.rstrip("\n").partition("=")
            if not is_pair:
                break
            said[name] = value
        if "SDUSER_PID" not in said:
            _, errors = self._process.communicate()
            raise AssertionError(
                "there is no `systemd --user` to test with (it takes root, cgroup2 and Debian's "
                f"packages systemd and util-linux):\n{errors}"
            )
        self.env = {n: v for n, v in said.items() if not n.startswith("SDUSER_")}
        self.env["PATH"] = f"{_BIN}:{self.env['PATH']}"
        self.uid, self.gid = int(said["SDUSER_UID"]), int(said["SDUSER_GID"])
        self._namespace_pid = said["SDUSER_PID"]
        self._session_cgroup = said["SDUSER_SESSION"]

    @property
    def home(self) -> Path:
        return Path(self.env["HOME"])

    @property
    def runtime_dir(self) -> Path:
        return Path(self.env["XDG_RUNTIME_DIR"])

    @property
    def unit_dir(self) -> Path:
        return self.home / ".config/systemd/user"

    @property
    def state_dir(self) -> Path:
        """Where a daemon without any setting has its state."""
        return self.home / ".local/state/runtimed"

    @property
    def socket(self) -> Path:
        """Where a daemon without any setting answers."""
        return self.runtime_dir / "runtimed/runtimed.sock"

    def popen(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        uid: int | None = None,
        **more: Any,
    ) -> subprocess.Popen[str]:
        """Start a command in the user's login session, or as somebody else there.

        ``env`` is laid over `env`.
        """
        user, group = (self.uid, self.gid) if uid is None else (uid, uid)
        enter = ["nsenter", "--target", self._namespace_pid, "--mount", "--"]
        session = ["sh", "-c", _START_SESSION, "sh", self._session_cgroup, str(cwd or self.home)]
        become = ["setpriv", "--reuid", str(user), "--regid", str(group), "--clear-groups", "--"]
        return subprocess.Popen(
            [*enter, *session, *become, *map(str, argv)],
            env=self.env | dict(env or {}),
            text=True,
            **more,
        )

    def run(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        uid: int | None = None,
        stdin: str = "",
        timeout_s: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the user's login session, and return how it ended."""
        pipe = subprocess.PIPE
        process = self.popen(*argv, env=env, cwd=cwd, uid=uid, stdin=pipe, stdout=pipe, stderr=pipe)
        with process:
            try:
                output, errors = process.communicate(stdin, timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(argv, process.returncode, output, errors)

    def runt(self, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run ``runt`` in the login session; keywords as `run`."""
        return self.run(_BIN / "runt", *args, **more)

    def call(self, method: str, **params: Any) -> Any:
        """Call one method of the daemon in the login session, and return the result."""
        done = self.runt("call", method, json.dumps(params))
        assert done.returncode == 0, f"{method}: {done.stderr}\n{self.journal()}"
        return json.loads(done.stdout)

    def systemctl(self, *args: str, check: bool = True) -> str:
        """Run ``systemctl --user`` and return what it printed."""
        done = self.run("systemctl", "--user", "--no-pager", *args)
        if check and done.returncode:
            raise AssertionError(
                f"systemctl --user {' '.join(args)}: {done.returncode}\n"
                f"{done.stdout}{done.stderr}\n{self.journal()}"
            )
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.systemctl("show", unit, "--property", name, "--value").rstrip("\n")

    def main_pid(self, unit: str) -> int:
        """Return the pid of a service's main process, 0 if there is none."""
        return int(self.show(unit, "MainPID"))

    def cgroup_pids(self, unit: str) -> list[int]:
        """Return the processes in a unit's own cgroup."""
        path = self.show(unit, "ControlGroup")
        done = self.run("cat", f"/sys/fs/cgroup{path}/cgroup.procs")
        return [int(line) for line in done.stdout.split()]

    def journal(self, unit: str | None = None, *args: str) -> str:
        """Return what a unit, or all of them, wrote, and what the manager wrote about it."""
        # As root, and by these fields: root's user units are in the system's journal, all others'
        # in the user's. A line of a process that has ended by the time it is read names no unit.
        selection = [f"_SYSTEMD_USER_UNIT={unit}", "+", f"USER_UNIT={unit}"] if unit else []
        command = ["journalctl", "--no-pager", "--quiet", "-o", "cat", *args, *selection]
        self.run("journalctl", "--sync", uid=0)
        return self.run(*command, uid=0).stdout

    def write(self, path: Path, text: str, mode: int = 0o644) -> Path:
        """Write a file as the user would."""
        for directory in reversed(path.parents):
            if directory.is_relative_to(self.home) and not directory.exists():
                directory.mkdir()
                os.chown(directory, self.uid, self.gid)
        path.write_text(text)
        path.chmod(mode)
        os.chown(path, self.uid, self.gid)
        return path

    def drop_in(self, unit: str, text: str, name: str = "test.conf") -> None:
        """Add settings to a unit, as ``systemctl edit`` does."""
        self.write(self.unit_dir / f"{unit}.d" / name, text)
        self.systemctl("daemon-reload")

    def install_units(self, directory: Path = _CHECKOUT / "packaging/systemd") -> None:
        """Put the units in place as they are shipped, for the program under test."""
        for template in directory.iterdir():
            if template.suffix in (".service", ".socket", ".slice"):
                text = template.read_text().replace("@RUNTIMED@", str(RUNTIMED))
                self.write(self.unit_dir / template.name, text)
        self.systemctl("daemon-reload")

    def dispose(self) -> None:
        """End the manager, all of its units and the session, and remove the home.

        Raises `AssertionError` if anything is left.
        """
        _, errors = self._process.communicate(timeout=_END_TIMEOUT_S)
        left = processes_of(str(self.home))
        assert not left, f"left behind: {left}\n{errors}"
        assert not self.home.parent.exists(), f"{self.home.parent} is left behind\n{errors}"


def _exposed() -> str:
    """Return the directories that every user must reach to run what is tested."""
    needed = {_CHECKOUT, Path(sys.prefix), Path(sys.base_prefix)}
    needed = {path for path in needed if not any(above in path.parents for above in needed)}
    return ":".join(map(str, sorted(needed)))


@pytest.fixture
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    """A user manager with nothing installed; an ordinary user's, unless parametrised."""
    manager = Manager(getattr(request, "param", ORDINARY))
    try:
        yield manager
    finally:
        manager.dispose()
