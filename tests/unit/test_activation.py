from __future__ import annotations

import errno
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from runtimed import activation
from runtimed.activation import given_listener, launchd_sockets
from runtimed.paths import UnsafePath
from runtimed.server.unix import check_given

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Where the test puts what systemd would pass from 3 on.
FIRST_FD = 700

#: As launch_activate_socket(3): the name decides, one socket is given, and only once.
FAKE_LAUNCHD = """
extern void *malloc(unsigned long);
extern int atoi(const char *);
extern char *getenv(const char *);
extern int strcmp(const char *, const char *);
static int taken;
int launch_activate_socket(const char *name, int **fds, unsigned long *count) {
    if (!getenv("FAKE_LAUNCHD_FD")) return %(ESRCH)d;
    if (strcmp(name, "daemon")) return %(ENOENT)d;
    if (taken++) return %(EALREADY)d;
    *fds = malloc(sizeof(int));
    **fds = atoi(getenv("FAKE_LAUNCHD_FD"));
    *count = 1;
    return 0;
}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / "d"
    directory.mkdir(mode=0o700)
    return directory / "s"


@pytest.fixture
def listening(path: Path) -> Iterator[socket.socket]:
    old = os.umask(0o177)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        os.umask(old)
        sock.listen()
        yield sock


def passed(monkeypatch: pytest.MonkeyPatch, *sockets: socket.socket) -> dict[str, str]:
    """Pass these as systemd does, and return the environment that says so."""
    monkeypatch.setattr(activation, "_FIRST_FD", FIRST_FD)
    for number, sock in enumerate(sockets):
        os.dup2(sock.fileno(), FIRST_FD + number)
    count = str(len(sockets))
    return {"LISTEN_FDS": count, "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "x", "A": "b"}


def test_a_socket_is_taken_once_and_kept_from_children(
    monkeypatch: pytest.MonkeyPatch, listening: socket.socket, path: Path
) -> None:
    environ = passed(monkeypatch, listening)
    given = given_listener(environ)
    assert given is not None
    with given:
        assert environ == {"A": "b"}
        assert not given.get_inheritable()
        assert check_given(given) == str(path)
        assert given_listener(environ) is None


def test_what_is_meant_for_another_process_is_left_alone(listening: socket.socket) -> None:
    environ = {"LISTEN_FDS": "1", "LISTEN_PID": "1"}
    assert given_listener(environ) is None
    assert environ == {}
    assert listening.fileno() >= 0


def test_what_is_no_listening_unix_socket_is_closed(
    monkeypatch: pytest.MonkeyPatch, listening: socket.socket
) -> None:
    one, other = socket.socketpair()
    with one, other:
        given = given_listener(passed(monkeypatch, one, listening, other))
    assert given is not None
    with given:
        assert given.fileno() == FIRST_FD + 1
    for fd in (FIRST_FD, FIRST_FD + 2):
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
            os.fstat(fd)


@pytest.mark.parametrize(
    ("socket_mode", "directory_mode", "complaint"),
    [(0o660, 0o700, "must be a socket of ours with mode 0600"), (0o600, 0o755, "must be 0700")],
)
def test_a_given_socket_must_be_ours_alone(
    listening: socket.socket, path: Path, socket_mode: int, directory_mode: int, complaint: str
) -> None:
    path.chmod(socket_mode)
    path.parent.chmod(directory_mode)
    with pytest.raises(UnsafePath, match=complaint):
        check_given(listening)


def test_a_socket_without_a_path_is_refused() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("\0runtimed-test-" + os.urandom(8).hex())
        sock.listen()
        with pytest.raises(UnsafePath, match="no path of a file"):
            check_given(sock)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A shared library that has launchd's function, and nothing else of macOS."""
    directory = tmp_path_factory.mktemp("launchd")
    source = directory / "fake.c"
    source.write_text(FAKE_LAUNCHD % vars(errno))
    command = ["gcc", "-shared", "-fPIC", "-nostdlib", "-fno-builtin", "-o"]
    subprocess.run([*command, directory / "libfake.so", source], check=True)
    return str(directory / "libfake.so")


def test_launchd_gives_its_socket_once(
    library: str, monkeypatch: pytest.MonkeyPatch, listening: socket.socket, path: Path
) -> None:
    monkeypatch.setenv("FAKE_LAUNCHD_FD", str(os.dup(listening.fileno())))
    assert launchd_sockets("another", library) == []
    (given,) = launchd_sockets("daemon", library)
    with given:
        assert given.getsockname() == str(path)
    with pytest.raises(OSError, match="launchd does not give its socket 'daemon'") as raised:
        launchd_sockets("daemon", library)
    assert raised.value.errno == errno.EALREADY


def test_who_was_not_started_by_launchd_has_no_socket_of_it(library: str) -> None:
    assert launchd_sockets("daemon", library) == []


def test_elsewhere_there_is_no_such_function() -> None:
    assert launchd_sockets("daemon") == []
