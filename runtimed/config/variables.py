"""The environment variables that are no settings: where things are, marks, the keeper's own."""

from __future__ import annotations

from typing import NamedTuple


class Variable(NamedTuple):
    """One variable that something reads, or sets for others."""

    name: str
    default: str
    about: str


PLACES = (
    Variable(
        "RUNTIMED_CONFIG",
        "`config.toml` in the user's configuration directory, `runtimed` in it",
        "The file with the settings; `runt config path` prints it. If it is not there, it sets "
        "nothing.",
    ),
    Variable(
        "RUNTIMED_SOCKET",
        "`$XDG_RUNTIME_DIR/runtimed/runtimed.sock`",
        "The daemon's socket; `runt socket` prints it. Without a runtime directory of one's own, "
        "`runtimed-<uid>/runtimed.sock` in the system's temporary directory.",
    ),
    Variable(
        "RUNTIMED_STATE_DIR",
        "the user's state directory, `runtimed` in it",
        "Database, blobs, journals and logs. One daemon and one keeper each.",
    ),
    Variable(
        "RUNTIMED_CACHE_DIR",
        "the user's cache directory, `runtimed` in it",
        "The environments that are built for packages that somebody names (`runt start --with`). "
        "Several daemons may share it.",
    ),
    Variable(
        "RUNTIMED_MANAGER",
        "what the machine has",
        "Who runs the daemon that `runt` starts: `systemd`, `launchd`, or nobody: `detached`. It "
        "uses that one, and no other.",
    ),
)
OF_RUNT = (
    Variable("RUNT_RUNTIME", "", "The runtime that is meant where none is named."),
    Variable(
        "RUNT_AGENT",
        "",
        "The name of the agent that runs `runt`, such as `claude-code`: it goes on the record, and "
        "the runtimes that it starts have the limits that the settings have for agents.",
    ),
    Variable(
        "NO_COLOR",
        "",
        "Set to anything: no colours, as [no-color.org](https://no-color.org) has it.",
    ),
)
OF_KERNELS = (
    Variable(
        "RUNTIMED_KERNEL",
        "runtime id, dot, a random word for each process",
        "The mark of a kernel that runtimed started, inherited by what it starts: `runt kill` "
        "finds daemonised children by it. Not handed on by `runt` and `runtimed` themselves.",
    ),
)
OF_PROCESSES = (
    Variable(
        "RUNTIMED_KEEPER_LINGER_S",
        "10",
        "How long a keeper without kernels and without a daemon stays.",
    ),
    Variable(
        "RUNTIMED_SEGMENT_BYTES", "67108864", "A journal segment is closed when it is so large."
    ),
    Variable(
        "RUNTIMED_PENDING_BYTES",
        "67108864",
        "Records that cannot be written are held in memory up to this, then counted as a gap.",
    ),
    Variable(
        "RUNTIMED_KEEPER",
        "",
        "Set by units: the service manager's unit of the keeper, which the daemon asks for.",
    ),
    Variable(
        "RUNTIMED_WATCHDOG_S",
        "",
        "The daemon aborts when its loop has not answered for so long. Where the service manager "
        "has no watchdog of its own, as launchd.",
    ),
    Variable(
        "RUNTIMED_STOP_AT",
        "",
        "`<step>` or `<step>:<nth>`: the process kills itself there. Only for tests of crashes.",
    ),
)
