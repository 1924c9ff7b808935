"""Settings: one TOML file; ``RUNTIMED_<NAME>`` in the environment overrides it.

`load` is what the daemon calls at its start and at SIGHUP. ``settings`` has every setting,
``values`` what it may be, ``file`` reads the file, ``editing`` changes it.
"""

from __future__ import annotations

from runtimed.config.loading import Loaded, Reloaded, Source, find, load
from runtimed.config.settings import BadSetting, Config, settings
from runtimed.config.values import Setting, Value

__all__ = [
    "BadSetting",
    "Config",
    "Loaded",
    "Reloaded",
    "Setting",
    "Source",
    "Value",
    "find",
    "load",
    "settings",
]
