"""Handlers of the calls on settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.errors import BadConfiguration
from runtimed.api.settings import (
    DaemonConfig,
    DaemonConfigGet,
    DaemonReload,
    Reloaded,
    SettingValue,
)
from runtimed.config import BadSetting, settings
from runtimed.service.binding import serves

if TYPE_CHECKING:
    from runtimed.service.context import Context


@serves(DaemonConfigGet)
async def daemon_config(context: Context, call: DaemonConfigGet) -> DaemonConfig:
    config = context.config
    return DaemonConfig(
        file=config.file,
        settings=[
            SettingValue(
                name=name,
                value=getattr(config, name),
                source=config.sources[name],
                needs_restart=setting.needs_restart,
            )
            for name, setting in settings().items()
        ],
    )


@serves(DaemonReload)
async def daemon_reload(context: Context, call: DaemonReload) -> Reloaded:
    try:
        done = context.reload()
    except BadSetting as error:
        raise BadConfiguration(detail=str(error)) from None
    return Reloaded(
        file=context.config.file, changed=done.changed, needs_restart=done.needs_restart
    )
