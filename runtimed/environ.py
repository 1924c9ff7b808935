"""Environment variables that belong to whoever started a process, and not to its children.

Imported by ``runt`` on every evaluation, so it is stdlib only, and small.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a service manager tells one process (systemd.exec(5), sd_notify(3), sd_listen_fds(3)).
#: RUNTIMED_KERNEL marks what a kernel of ours has started.
#: With JPY_PARENT_PID, ipykernel would end together with a process that is not its parent.
NAMES = frozenset(
    (
        "NOTIFY_SOCKET",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "MANAGERPID",
        "SYSTEMD_EXEC_PID",
        "JPY_PARENT_PID",
        "JPY_SESSION_NAME",
        "RUNTIMED_KERNEL",
    )
)
PREFIXES = ("WATCHDOG_", "LISTEN_")
#: Variables that are about the terminal and shell that a command is typed into.
SESSION = frozenset(
    ("_", "SHLVL", "OLDPWD", "COLUMNS", "LINES", "WINDOWID", "TERM_SESSION_ID", "RUNT_RUNTIME")
)


def inheritable(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a process may hand on to one that outlives it."""
    return {
        name: value
        for name, value in env.items()
        if name not in NAMES and not name.startswith(PREFIXES)
    }


def of_caller(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a kernel that is started now: the caller's, less its session's."""
    taken = {n: value for n, value in inheritable(env).items() if n not in SESSION}
    return {as_text(name): as_text(value) for name, value in taken.items() if name}


def as_text(value: str) -> str:
    """Return the value as JSON can carry it; bytes that are no UTF-8 become U+FFFD."""
    import os

    return os.fsencode(value).decode("utf-8", "replace")
