"""Settings from the environment, the file and the defaults, the first that has one."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Literal

from runtimed.config.file import parse, read_text
from runtimed.config.settings import BadSetting, Config, settings
from runtimed.config.values import Setting, Value, WrongValue
from runtimed.paths import config_file

if TYPE_CHECKING:
    from collections.abc import Mapping

Source = Literal["default", "file", "environment"]
#: Of unknown settings in a file, so many are named.
_NAMED = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload has changed, and what waits for a restart."""

    changed: list[str]
    needs_restart: list[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(Config):
    """A configuration, with where each of its values is from."""

    file: str
    sources: dict[str, Source]

    def take(self, fresh: Loaded) -> Reloaded:
        """Take over what can change while the daemon runs. Call it on the daemon's loop.

        What needs a restart keeps value and source, so that `Loaded` says what is in force.
        """
        differing = [name for name in settings() if getattr(self, name) != getattr(fresh, name)]
        waiting = [name for name in differing if settings()[name].needs_restart]
        for name in settings():
            if name not in waiting:
                object.__setattr__(self, name, getattr(fresh, name))
                self.sources[name] = fresh.sources[name]
        changed = [name for name in differing if name not in waiting]
        return Reloaded(changed=changed, needs_restart=waiting)


def load(environ: Mapping[str, str] = os.environ) -> Loaded:
    """Return the configuration; a missing file sets nothing. Raises `BadSetting`."""
    path = config_file(environ)
    text = read_text(path)
    values = of_file({} if text is None else parse(text, path), path)
    sources: dict[str, Source] = dict.fromkeys(values, "file")
    for name, setting in settings().items():
        if (given := environ.get(setting.variable)) is not None:
            values[name] = _value(setting, given, setting.variable, is_text=True)
            sources[name] = "environment"
    return Loaded(
        file=path, sources={name: sources.get(name, "default") for name in settings()}, **values
    )


def of_file(document: Mapping[str, object], path: str) -> dict[str, Any]:
    """Return the settings that a parsed file has. Raises `BadSetting`."""
    unknown = [name for name in document if name not in settings()]
    if unknown:
        said = ", ".join(_unknown(name, document[name]) for name in unknown[:_NAMED])
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise BadSetting(f"{path} has what is no setting: {said}{more}")
    return {
        name: _value(settings()[name], given, f"{path}: {name}") for name, given in document.items()
    }


def find(name: str) -> Setting:
    """Return a setting by its name. Raises `BadSetting` with a suggestion."""
    try:
        return settings()[name]
    except KeyError:
        raise BadSetting(f"there is no setting {_unknown(name)}") from None


def _value(setting: Setting, given: object, where: str, *, is_text: bool = False) -> Value:
    try:
        return setting.of_text(str(given)) if is_text else setting.of_toml(given)
    except WrongValue as error:
        raise BadSetting(f"{where} {error}") from None


def _unknown(name: str, value: object = None) -> str:
    """Return the name, and what may have been meant by it."""
    if isinstance(value, dict):
        return f"the table {name!r} (settings are in no table)"
    import difflib

    plain = name.lower().removeprefix("runtimed_").replace("-", "_")
    close = difflib.get_close_matches(plain, settings(), n=1)
    return f"{name!r}" + (f" (did you mean {close[0]}?)" if close else "")
