"""Whether a user's services live on after logout: logind's linger (loginctl(1))."""

from __future__ import annotations

import os

from runtimed.managers.failures import ServiceFailure
from runtimed.managers.programs import run, said

#: What turns it on, for a person to type.
COMMAND = "loginctl enable-linger"


def is_on() -> bool | None:
    """Return whether it is on; None where there is no logind to ask."""
    try:
        asked = run(["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"])
    except ServiceFailure:
        return None
    if asked.returncode == 0:
        return {"yes": True, "no": False}.get(asked.stdout.strip())
    # A user without a session, who does not linger either, is not known to logind.
    return False if "not logged in or lingering" in asked.stderr else None


def enable() -> None:
    """Turn it on. Raises `ServiceFailure`: not everybody may."""
    asked = run(COMMAND.split())
    if asked.returncode:
        raise ServiceFailure(f"`{COMMAND}`: {said(asked)}")
