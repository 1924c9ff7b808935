"""Where things are: the socket, the state directory and what lies in it.

Imported by ``runt`` on every call, so it imports next to nothing (dataclasses and tempfile would
take longer than an evaluation); platformdirs is loaded when the state directory is asked for.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes that fit into ``sun_path`` besides the final NUL (unix(7), and macOS's sys/un.h).
SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107


class UnsafePath(OSError):
    """A directory or socket that is not safely ours; it is refused, never repaired."""


def socket_path() -> str:
    """Return the daemon's socket path, whether or not it exists.

    ``RUNTIMED_SOCKET``, else ``$XDG_RUNTIME_DIR/runtimed/runtimed.sock``, else under
    ``/run/user/<uid>`` if that is ours, else in a directory of our own under the system's
    temporary directory.
    """
    if given := os.environ.get("RUNTIMED_SOCKET"):
        return os.path.abspath(given)
    return os.path.join(runtime_dir(), "runtimed.sock")


def runtime_dir() -> str:
    """Return the directory of the default socket; nothing is created."""
    if base := user_runtime_dir():
        return os.path.join(base, "runtimed")
    import tempfile

    return os.path.join(tempfile.gettempdir(), f"runtimed-{os.getuid()}")


def user_runtime_dir() -> str | None:
    """Return the user's runtime directory, where there is one: that of their service manager."""
    uid = os.getuid()
    for base in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{uid}"):
        if base and os.path.isabs(base) and _is_ours(base, uid):
            return base
    return None


def _is_ours(directory: str, uid: int) -> bool:
    try:
        found = os.stat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid


def check_socket_path(path: str) -> None:
    """Raise `UnsafePath` if the path does not fit into a Unix socket address."""
    length = len(os.fsencode(path))
    if length > SOCKET_PATH_BYTES:
        raise UnsafePath(
            f"socket path is {length} bytes, at most {SOCKET_PATH_BYTES} fit: {path} "
            "(set RUNTIMED_SOCKET or RUNTIMED_STATE_DIR to a shorter one)"
        )


def make_dirs(directory: str) -> None:
    """Create the directory and what is missing above it, each 0700, whatever the umask.

    `os.makedirs` gives its mode to the last one only: under umask 000 the others would be open to
    everybody. Only what is created gets a mode. Raises `OSError`.
    """
    if not directory or os.path.isdir(directory):
        return
    if not os.path.exists(above := os.path.dirname(directory.rstrip("/"))):
        make_dirs(above)
    try:
        os.mkdir(directory, 0o700)
    except OSError:
        if not os.path.isdir(directory):  # otherwise somebody else was faster
            raise


def private_dir(directory: str) -> str:
    """Create the directory 0700, or verify that it is a real one, ours and closed to others.

    Raises `UnsafePath` otherwise. An existing directory is never chmod-ed into shape: who can
    write into it can replace a socket in it.
    """
    make_dirs(os.path.dirname(directory))
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    check_private(directory)
    return directory


def check_private(directory: str) -> None:
    """Raise `UnsafePath` unless it is a real directory, ours and closed to others."""
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafePath(f"{directory} is not a directory")
    if found.st_uid != os.getuid():
        raise UnsafePath(
            f"{directory} belongs to uid {found.st_uid}, not to us; choose another path"
        )
    if found.st_mode & 0o077:
        # A sticky directory is shared on purpose, as /tmp is: to close it is no advice.
        is_shared = found.st_mode & stat.S_ISVTX
        advice = "choose another path" if is_shared else f"chmod 700 {directory}, if it is yours"
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        raise UnsafePath(f"{directory} has mode {mode}; it must be 0700 ({advice})")


def check_ours(path: str) -> None:
    """Raise `UnsafePath` unless it belongs to us; `OSError` where it is not there."""
    if (uid := os.lstat(path).st_uid) != os.getuid():
        raise UnsafePath(f"{path} belongs to uid {uid}, not to us; it is to be removed")


def check_usable(directory: str) -> None:
    """Raise `UnsafePath` or `OSError` where `private_dir` could not have a socket's directory here.

    Only an attempt tells: permissions do not of /proc, or of a full disk. It leaves nothing.
    """
    from tempfile import mkdtemp

    there = directory
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if there == directory:
        check_private(directory)
    try:
        os.rmdir(mkdtemp(prefix=".runtimed-", dir=there))
    except OSError as error:
        verb = "written in" if there == directory else "made"
        raise OSError(f"{directory} cannot be {verb}: {error.strerror}") from None


def state_dir() -> str:
    """Return the state directory: ``RUNTIMED_STATE_DIR``, else platformdirs' user state."""
    if given := os.environ.get("RUNTIMED_STATE_DIR"):
        return os.path.abspath(given)
    import platformdirs

    return platformdirs.user_state_dir("runtimed", appauthor=False)


def cache_dir() -> str:
    """Return the cache directory: ``RUNTIMED_CACHE_DIR``, else platformdirs' user cache."""
    if given := os.environ.get("RUNTIMED_CACHE_DIR"):
        return os.path.abspath(given)
    import platformdirs

    return platformdirs.user_cache_dir("runtimed", appauthor=False)


def config_file(environ: Mapping[str, str] = os.environ) -> str:
    """Return the settings' file: ``RUNTIMED_CONFIG``, else in platformdirs' user configuration."""
    if given := environ.get("RUNTIMED_CONFIG"):
        return os.path.abspath(given)
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("runtimed", appauthor=False), "config.toml")


class State:
    """The files of one state directory. Owned by one daemon and one keeper, by flock."""

    __slots__ = ("dir",)

    def __init__(self, dir: str) -> None:
        self.dir = dir

    @property
    def database(self) -> str:
        return os.path.join(self.dir, "runtimed.db")

    @property
    def search(self) -> str:
        """The search index; it follows from the database."""
        return os.path.join(self.dir, "search.db")

    @property
    def blobs(self) -> str:
        return os.path.join(self.dir, "blobs")

    @property
    def journals(self) -> str:
        return os.path.join(self.dir, "journal")

    def journal(self, runtime_id: str) -> str:
        return os.path.join(self.journals, runtime_id)

    @property
    def kernels(self) -> str:
        """Directory of the kernels' own stdout and stderr."""
        return os.path.join(self.dir, "kernels")

    @property
    def daemon_lock(self) -> str:
        return os.path.join(self.dir, "daemon.lock")

    @property
    def daemon_log(self) -> str:
        return os.path.join(self.dir, "runtimed.log")

    @property
    def keeper_lock(self) -> str:
        return os.path.join(self.dir, "keeper.lock")

    @property
    def keeper_log(self) -> str:
        return os.path.join(self.dir, "keeper.log")

    @property
    def keeper_successor(self) -> str:
        """What a keeper that is told to renew itself starts, and why it has not; see handover."""
        return os.path.join(self.dir, "keeper.successor")

    @property
    def keeper_socket(self) -> str:
        return os.path.join(self.dir, "keeper.sock")

    @property
    def serve_token(self) -> str:
        """The bearer token of ``runt serve``."""
        return os.path.join(self.dir, "serve.token")

    def create(self) -> State:
        """Create what is missing, all 0700; raises `UnsafePath` or `OSError`."""
        private_dir(self.dir)
        for directory in (self.blobs, self.journals, self.kernels):
            private_dir(directory)
        return self
