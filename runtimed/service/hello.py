"""The first words of a connection."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from runtimed import __version__
from runtimed.api.daemon import AGENT_PATTERN, PROTOCOL, SERVICE, DaemonHello, Hello
from runtimed.api.errors import BadRequest

if TYPE_CHECKING:
    from runtimed.service.binding import Caller


def greet(call: DaemonHello, caller: Caller, state_dir: str) -> Hello:
    """Remember what kind of client calls, and say who answers.

    Raises `BadRequest` where there is no protocol version that both speak.
    """
    if call.agent is not None and re.fullmatch(AGENT_PATTERN, call.agent) is None:
        raise BadRequest(detail=f"{call.agent!r} cannot be the name of an agent")
    caller.connection.client, caller.connection.agent = call.client, call.agent
    if call.protocol is not None:
        _check_protocol(call.protocol)
    return Hello(
        service=SERVICE,
        version=__version__,
        protocol=PROTOCOL,
        pid=os.getpid(),
        state_dir=state_dir,
    )


def _check_protocol(theirs: list[int]) -> None:
    lowest, highest = PROTOCOL
    if len(theirs) != 2 or theirs[0] > theirs[1]:
        raise BadRequest(detail=f"protocol is a pair, lowest and highest version, not {theirs}")
    if theirs[0] > highest or theirs[1] < lowest:
        raise BadRequest(
            detail=f"the client speaks protocol {theirs[0]} to {theirs[1]}, "
            f"this service {lowest} to {highest}; restart or upgrade the older one"
        )
