"""Calls on the daemon itself."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import BadRequest
from runtimed.api.types import DaemonStatus, Hello, Nothing

#: Versions of the protocol that this code speaks, lowest and highest.
PROTOCOL = [1, 1]
SERVICE = "runtimed.jupyter"


@api("daemon.hello", Effect.READ, errors=(BadRequest,))
class DaemonHello(Call[Hello], frozen=True, kw_only=True):
    """Say who calls, and learn who answers. Optional; the first request if it is sent."""

    client: Annotated[str, Meta(description="The kind of client, for the record.")] = "unknown"
    version: str | None = None
    protocol: Annotated[
        list[int] | None, Meta(description="Lowest and highest version, as a pair.")
    ] = None


@api("daemon.status", Effect.READ)
class DaemonStatusGet(Call[DaemonStatus], frozen=True, kw_only=True):
    """Return what the daemon holds and uses."""


@api("daemon.stop", Effect.DESTROY)
class DaemonStop(Call[Nothing], frozen=True, kw_only=True):
    """Stop the daemon. Kernels live on, unless they are to end too."""

    kernels: Annotated[bool, Meta(description="Also end all kernels that we started.")] = False


@api("daemon.announce", Effect.WRITE)
class DaemonAnnounce(Call[list[str]], frozen=True, kw_only=True):
    """Return what a person must be told once, and has not been: it counts as said by this."""


@api("rpc.discover", Effect.READ)
class RpcDiscover(Call[dict[str, Any]], frozen=True, kw_only=True):
    """Return the OpenRPC document of this service."""
