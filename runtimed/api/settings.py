"""Calls on the daemon's settings, and what they answer."""

from __future__ import annotations

from typing import Literal

from runtimed.api.call import Call, Effect, api
from runtimed.api.errors import BadConfiguration
from runtimed.api.types import Document


class SettingValue(Document):
    """A setting as it is in force; where it came from.

    ``needs_restart``: a daemon that runs takes a new value when it is started anew, not before.
    """

    name: str
    value: int | float | str
    source: Literal["default", "file", "environment"]
    needs_restart: bool


class DaemonConfig(Document):
    """The daemon's settings, and the file that it reads, whether or not that exists."""

    file: str
    settings: list[SettingValue]


class Reloaded(Document):
    """Which settings were changed, and which differ and wait for a restart."""

    file: str
    changed: list[str]
    needs_restart: list[str]


@api("daemon.config", Effect.READ, rest=("GET /v0/daemon/config",))
class DaemonConfigGet(Call[DaemonConfig], frozen=True, kw_only=True):
    """Return the settings that are in force, and where each is from."""


@api("daemon.reload", Effect.WRITE, errors=(BadConfiguration,), rest=("POST /v0/daemon/reload",))
class DaemonReload(Call[Reloaded], frozen=True, kw_only=True):
    """Read the settings' file again, as SIGHUP does; with a bad one the settings stay."""
