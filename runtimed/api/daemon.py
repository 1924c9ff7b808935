"""Calls on the daemon itself."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import BadRequest
from runtimed.api.types import Document, Nothing

#: Versions of the protocol that this code speaks, lowest and highest.
PROTOCOL = [1, 1]
SERVICE = "runtimed.jupyter"
#: The name that an agent has on the record.
AGENT_PATTERN = "^[A-Za-z0-9._-]{1,64}$"
AGENT = Meta(
    pattern=AGENT_PATTERN,
    description="The name of the agent that the client works for, such as claude-code: letters, "
    "digits, dot, hyphen and underscore, 64 at most. What it starts and submits carries it.",
)


class Hello(Document):
    """Who answers. ``protocol`` is the range of versions, lowest and highest."""

    service: str
    version: str
    protocol: list[int]
    pid: int
    state_dir: str


class DaemonStatus(Document):
    """What the daemon holds and uses.

    ``used_bytes`` counts towards ``limit_bytes``, beyond which the oldest outputs are removed: the
    database without its free pages and its log, the search index, the blobs that something refers
    to. ``retention`` is ``ok``, or says in a sentence why the limit cannot be kept. ``unindexed``
    executions are not in that index yet, so neither search nor grep finds them.
    """

    version: str
    pid: int
    started_at: str
    socket: str
    state_dir: str
    keeper_pid: int | None
    keeper_version: str | None
    """Null also for a keeper of an older kind, which does not tell."""
    runtimes: dict[str, int]
    executions: dict[str, int]
    database_bytes: int
    blobs_bytes: int
    journal_bytes: int
    used_bytes: int
    limit_bytes: int
    retention: str
    unindexed: int
    rss_bytes: int
    cursor: str
    store: str
    search: str
    """``ok``, or why the search index cannot be used: it is filled as soon as it can be."""


@api("daemon.hello", Effect.READ, errors=(BadRequest,), rest=("GET /v0/daemon/hello",))
class DaemonHello(Call[Hello], frozen=True, kw_only=True):
    """Say who calls, and learn who answers. Optional; the first request if it is sent."""

    client: Annotated[str, Meta(description="The kind of client, for the record.")] = "unknown"
    agent: Annotated[str, AGENT] | None = None
    version: str | None = None
    protocol: Annotated[
        list[int] | None, Meta(description="Lowest and highest version, as a pair.")
    ] = None


@api("daemon.status", Effect.READ, rest=("GET /v0/daemon",))
class DaemonStatusGet(Call[DaemonStatus], frozen=True, kw_only=True):
    """Return what the daemon holds and uses."""


@api("daemon.stop", Effect.DESTROY, rest=("POST /v0/daemon/stop",))
class DaemonStop(Call[Nothing], frozen=True, kw_only=True):
    """Stop the daemon. Kernels live on, unless they are to end too."""

    kernels: Annotated[bool, Meta(description="Also end all kernels that we started.")] = False


@api("daemon.announce", Effect.WRITE, rest=("POST /v0/daemon/announce",))
class DaemonAnnounce(Call[list[str]], frozen=True, kw_only=True):
    """Return what a person must be told once, and has not been: it counts as said by this."""


@api("rpc.discover", Effect.READ, rest=("GET /v0/openrpc.json",))
class RpcDiscover(Call[dict[str, Any]], frozen=True, kw_only=True):
    """Return the OpenRPC document of this service."""
