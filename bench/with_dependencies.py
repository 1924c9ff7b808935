"""A start with packages, once their environment is built, beside a plain start."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench.harness import Value, client_of, new_daemon, seconds, side_by_side
from runtimed.api.environments import EnvironmentPrepare
from runtimed.api.runtimes import RuntimeKill, RuntimeStart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtimed.client.blocking import Client

ROUNDS = 7
#: No larger one: what is measured is what we add, and not what a package's import costs.
PACKAGES = ["six"]
BOUND = 1.5


def measure() -> Iterator[Value]:
    with new_daemon() as daemon:
        env = dict(daemon.state.env)
        with client_of(daemon) as client:
            prepare = EnvironmentPrepare(dependencies=PACKAGES, env=env)
            built_s = seconds(lambda: client.call(prepare))
            plain = RuntimeStart(env=env)
            ours = RuntimeStart(dependencies=PACKAGES, env=env)
            for start in (plain, ours):  # the first compiles what it imports
                _start(client, start)
            with_s, plain_s = side_by_side(
                lambda: _start(client, ours), lambda: _start(client, plain), ROUNDS
            )
    tool = "uv" if any(map(_has_uv, env["PATH"].split(os.pathsep))) else "pip"
    yield Value(name="environment with six, built", ours=built_s, unit="s", note=f"by {tool}")
    yield Value(
        name="start with packages, found",
        ours=with_s * 1e3,
        unit="ms",
        reference=plain_s * 1e3,
        of="plain start",
        bound=BOUND,
    )


def _start(client: Client, start: RuntimeStart) -> None:
    client.call(RuntimeKill(runtime=client.call(start).id))


def _has_uv(directory: str) -> bool:
    return os.access(os.path.join(directory, "uv"), os.X_OK)
