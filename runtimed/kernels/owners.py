"""Who started an adopted kernel: a Jupyter server, asked through its API, or some other process.

Blocking functions, for ``asyncio.to_thread``. A server that hangs takes `TIMEOUT_S`; one that
answers nonsense owns nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runtimed import host
from runtimed.kernels import connection_files, identity
from runtimed.kernels.identity import sayable
from runtimed.kernels.jupyter_api import Address, ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runtimed.kernels.identity import Process

TIMEOUT_S = 3.0
#: A restart is answered when the new kernel has answered; jupyter_server gives it a minute.
ENDING_S = 75.0
#: Parents that did not start the kernel, or not for somebody else: those to whom orphans are given,
#: and our own keeper.
_NO_OWNERS = ("systemd", "init", "tini", "launchd", "runtimed", "runtimed.keeper")


@dataclass(frozen=True, slots=True)
class Server(Address):
    """A Jupyter server of ours that runs. ``name`` is its program's."""

    pid: int
    root_dir: str
    name: str


def owners(directories: Iterable[str]) -> list[Server]:
    """Return the servers that have left their files in these directories, and live."""
    found: dict[int, Server] = {}
    for directory in directories:
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(directory)):
                if name.startswith(("jpserver-", "nbserver-")) and name.endswith(".json"):
                    server = _server(connection_files.content_of(os.path.join(directory, name)))
                    if server is not None:
                        found.setdefault(server.pid, server)
    return list(found.values())


def _server(content: bytes | None) -> Server | None:
    """Return the server that a file tells of, if it is that process that listens there.

    Its token is for no one else: the file of a server that was killed stays.
    """
    try:
        facts = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(facts, dict):
        return None
    pid, port = facts.get("pid"), facts.get("port")
    texts = {name: facts.get(name) or "" for name in ("url", "base_url", "sock", "token")}
    root = facts.get("root_dir") or facts.get("notebook_dir") or ""
    if type(pid) is not int or not all(isinstance(text, str) for text in (*texts.values(), root)):
        return None
    place = texts["sock"] or port
    if not isinstance(place, str | int) or not identity.listens_at(pid, place):
        return None
    return Server(
        pid=pid,
        url=sayable(texts["url"]),
        base_url=texts["base_url"] or "/",
        root_dir=root,
        name=sayable(program_of(host.arguments_of(pid))),
        sock=texts["sock"] or None,
        token=texts["token"],
    )


def sessions(server: Server) -> dict[str, dict[str, Any]]:
    """Return the server's kernels by id, each with its owner as `runtimed.api.types.Owner` has it.

    ``path`` is the notebook's, relative to the server's directory; null for a kernel that has no
    session. Empty where the server does not answer.
    """
    answer = _ask_list(server, "api/sessions")
    if answer is None:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for session in answer:
        path, kernel = session.get("path"), session.get("kernel")
        if isinstance(kernel, dict) and isinstance(kernel.get("id"), str):
            found.setdefault(kernel["id"], _owned(server, path if isinstance(path, str) else None))
    for kernel in _ask_list(server, "api/kernels") or ():
        if isinstance(kernel.get("id"), str):
            found.setdefault(kernel["id"], _owned(server, None))
    return found


def _owned(server: Server, path: str | None) -> dict[str, Any]:
    return {
        "kind": "jupyter_server",
        "url": server.url,
        "path": sayable(path) or None,
        "pid": server.pid,
        "name": server.name,
    }


def restart(server: Server, kernel_id: str) -> bool:
    """Have the server restart its kernel; say whether it says that it has."""
    return ask(server, "POST", f"{_kernel(kernel_id)}/restart", ENDING_S) is not None


def shutdown(server: Server, kernel_id: str) -> bool:
    """Have the server end its kernel, which it would start again otherwise; say whether it has."""
    return ask(server, "DELETE", _kernel(kernel_id), ENDING_S) is not None


def _kernel(kernel_id: str) -> str:
    return f"api/kernels/{quote(kernel_id, safe='')}"


def owner_of(
    file: str,
    process: Process | None,
    servers: Sequence[tuple[Server, dict[str, dict[str, Any]]]],
) -> dict[str, Any] | None:
    """Return the owner of the kernel of a connection file, None where it has none.

    ``servers`` are the servers with their `sessions`. A kernel below the process of a server that
    does not answer is its own all the same.
    """
    kernel_id = connection_files.kernel_id(file)
    for _, kernels in servers:
        if kernel_id in kernels:
            return kernels[kernel_id]
    if process is None or (pid := _above(process)) is None:
        return None
    for server, _ in servers:
        if server.pid == pid:
            return _owned(server, _relative(process.session_name, server.root_dir))
    if (name := sayable(program_of(host.arguments_of(pid)))) in _NO_OWNERS:
        return None
    return {"kind": "process", "url": None, "path": process.session_name, "pid": pid, "name": name}


def _above(process: Process) -> int | None:
    """Return the process that started a kernel: through wrappers, if it has said who it is."""
    if process.parent_pid is not None and identity.descends(process.ppid, {process.parent_pid}):
        return process.parent_pid
    return process.ppid if process.ppid > 1 else None


def _relative(path: str | None, directory: str) -> str | None:
    if path and directory and path.startswith(directory.rstrip(os.sep) + os.sep):
        return os.path.relpath(path, directory)
    return path


def program_of(argv: Sequence[str]) -> str:
    """Return what people call the program of a command line: of Python's, what it runs."""
    if not argv:
        return ""
    name = os.path.basename(argv[0]) or argv[0]
    if not name.startswith("python"):
        return name.removeprefix("-")  # a login shell
    words = iter(argv[1:])
    for word in words:
        if word == "-m":
            return next(words, name)
        if word == "-c":
            return name
        if word in ("-W", "-X"):
            next(words, None)
        elif not word.startswith("-"):
            return os.path.basename(word) or name
    return name


def _ask_list(server: Server, path: str) -> list[dict[str, Any]] | None:
    answer = ask(server, "GET", path, TIMEOUT_S)
    try:
        found = json.loads(answer or b"null")
    except (ValueError, RecursionError):
        return None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else None
