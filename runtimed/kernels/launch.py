"""Where a kernel will listen, and the connection file that says so.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import tempfile
from typing import TYPE_CHECKING, Any

from runtimed import paths
from runtimed.environ import inheritable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.paths import State

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


#: Variables of the session that a client runs in: a kernel outlives it. With JPY_PARENT_PID
def own_environment() -> dict[str, str]:
    """Return the variables for a caller that sent none: ours, less an environment active in them.

    Whoever happened to start the daemon does not choose the Python of everybody who calls.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name != "VIRTUAL_ENV" and not name.startswith("CONDA_")
    }


def kernel_environment(env: Mapping[str, str], additions: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a kernel gets: the caller's, less those of its session."""
    return {**inheritable(env), **additions}


def connection_directory() -> str:
    """Return Jupyter's runtime directory, created if need be: other clients look there."""
    from jupyter_core.paths import jupyter_runtime_dir

    directory = jupyter_runtime_dir()
    paths.make_dirs(directory)
    return directory


def ipc_prefix(runtime_id: str) -> str | None:
    """Return the path that a kernel's ipc sockets begin with, None where it would be too long.

    Its directory is 0700, which is what keeps other users out: the socket files are 0755.
    Raises `paths.UnsafePath`.
    """
    directory = os.path.join(connection_directory(), "runtimed")
    prefix = os.path.join(directory, runtime_id[-10:].lower())
    # The keeper's private links lie one directory below.
    longest = os.path.join(directory, ".keep", os.path.basename(prefix) + "-5")
    if len(os.fsencode(longest)) > paths.SOCKET_PATH_BYTES:
        return None
    paths.private_dir(directory)
    return prefix


def ipc_address(prefix: str, kernel_name: str) -> dict[str, Any]:
    """Return the connection info of a kernel that listens on Unix sockets."""
    ports = {f"{channel}_port": number for number, channel in enumerate(CHANNELS, 1)}
    return {**_common(kernel_name), "transport": "ipc", "ip": prefix, **ports}


def tcp_address(kernel_name: str) -> dict[str, Any]:
    """Return the connection info of a kernel that listens on free ports of localhost.

    Somebody else may take one before the kernel does; then it does not start.
    """
    taken = [socket.socket() for _ in CHANNELS]
    try:
        for each in taken:
            each.bind(("127.0.0.1", 0))
        ports = {
            f"{channel}_port": each.getsockname()[1]
            for channel, each in zip(CHANNELS, taken, strict=True)
        }
    finally:
        for each in taken:
            each.close()
    return {**_common(kernel_name), "transport": "tcp", "ip": "127.0.0.1", **ports}


def _common(kernel_name: str) -> dict[str, Any]:
    return {
        "key": secrets.token_hex(32),
        "signature_scheme": "hmac-sha256",
        "kernel_name": kernel_name,
    }


def write_connection_file(path: str, info: Mapping[str, Any]) -> None:
    """Write the file whole or not at all, 0600. Raises `OSError`."""
    fd, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".", suffix=".tmp")
    try:
        with os.fdopen(fd, "w") as file:
            json.dump(info, file, indent=1)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read_connection_file(path: str) -> dict[str, Any]:
    """Return a connection file's content. Raises `OSError` or `ValueError`."""
    with open(path, "rb") as file:
        info = json.load(file)
    if not isinstance(info, dict):
        raise ValueError(f"{path} is not a connection file")
    return info


def remove_connection_file(path: str) -> None:
    """Remove the connection file of a kernel that has ended: it would look like a stale one."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def remove_ipc_sockets(info: Mapping[str, Any]) -> None:
    """Remove what a kernel that has ended left at its address: the next one binds there."""
    if info.get("transport") != "ipc":
        return
    for channel in CHANNELS:
        try:
            os.unlink(f"{info['ip']}-{info[f'{channel}_port']}")
        except FileNotFoundError:
            pass


def stderr_tail(path: str, size_bytes: int = 4096) -> str:
    """Return the end of a kernel's stderr file, from a line's beginning; empty without one."""
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - size_bytes))
            data = file.read()
    except FileNotFoundError:
        return ""
    if end > size_bytes:
        data = data.partition(b"\n")[2]
    return data.decode("utf-8", "replace")


def stdout_path(state: State, runtime_id: str) -> str:
    """Return the file of what the kernel's process itself writes to stdout."""
    return os.path.join(state.kernels, f"{runtime_id}.out")


def stderr_path(state: State, runtime_id: str) -> str:
    """Return the file of what the kernel's process itself writes to stderr."""
    return os.path.join(state.kernels, f"{runtime_id}.err")
