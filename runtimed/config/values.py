"""What a setting may be: its kind, its bounds, and how it is read and shown.

Sizes are bytes and times seconds, as a number or with a unit: ``"16 MiB"``, ``"24 h"``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Value = int | float | str
Kind = Literal["count", "size", "time", "text", "choice"]

#: As GNU's and systemd's programs have them: MB is 1000 kB, and both M and MiB are 1024 KiB.
SIZE_UNITS = {
    "B": 1,
    **{prefix: 1024**power for power, prefix in enumerate("KMGT", 1)},
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMGT", 1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", 1)},
}
TIME_UNITS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86_400),
}
#: What sizes and times are shown in, largest first; the first that divides them.
_SHOWN_SIZES = ("GiB", "MiB", "KiB")
_SHOWN_TIMES = ("d", "h", "min", "s", "ms")

_NUMBER = re.compile(r"([+-]?[0-9_]{1,24}(?:\.[0-9]{1,24})?) ?([A-Za-z]*)", re.ASCII)
#: Of a value that is refused, as much is said.
_SAID = 60


class WrongValue(ValueError):
    """A value does not fit its setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: what it is for, what it may be."""

    name: str
    about: str
    kind: Kind
    default: Value
    least: float = 0
    most: float = 0
    choices: tuple[str, ...] = ()
    needs_restart: bool = False
    """Whether a daemon that runs goes on with the old value until it is restarted."""

    @property
    def variable(self) -> str:
        """The environment variable that overrides the file."""
        return f"RUNTIMED_{self.name.upper()}"

    @property
    def unit(self) -> str | None:
        return {"size": "bytes", "time": "s"}.get(self.kind)

    @property
    def expected(self) -> str:
        """What a value must be, as the end of a sentence."""
        if self.kind == "choice":
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        if self.kind == "text":
            return "a string on one line"
        bounds = f"from {self.show(self.least)} to {self.show(self.most)}"
        if self.kind == "count":
            return f"a whole number {bounds}"
        if self.kind == "size":
            return f'a number of bytes or a size like "16 MiB", {bounds}'
        return f'a number of seconds or a time like "10 s", {bounds}'

    def of_text(self, text: str) -> Value:
        """Return the value that an environment variable or a command line gives."""
        if self.kind in ("text", "choice"):
            return self.check(text)
        return self.check(self._number(text))

    def of_toml(self, given: object) -> Value:
        """Return the value that the file gives. Raises `WrongValue`."""
        if self.kind in ("size", "time") and isinstance(given, str):
            return self.of_text(given)
        return self.check(given)

    def check(self, given: object) -> Value:
        """Return a value of the setting's type and within its bounds. Raises `WrongValue`."""
        if isinstance(given, str):
            return self._word(given)
        if (
            isinstance(given, bool)
            or not isinstance(given, int | float)
            or self.kind in ("text", "choice")
            or (isinstance(given, float) and self.kind != "time")
            or not self.least <= given <= self.most  # nan is not within them
        ):
            raise self._wrong(given)
        return float(given) if self.kind == "time" else int(given)

    def _word(self, text: str) -> str:
        if self.kind == "text" and text.isprintable():
            return text
        for choice in self.choices:
            if text.lower() == choice.lower():
                return choice
        raise self._wrong(text)

    def _number(self, text: str) -> int | float:
        matched = _NUMBER.fullmatch(text.strip())
        if matched is None or not any(map(str.isdigit, matched[1])):
            raise self._wrong(text)
        number = Decimal(matched[1].replace("_", ""))
        if matched[2]:
            number *= self._factor(matched[2], text)
        if self.kind == "time":
            return float(number)
        if number != number.to_integral_value():
            raise self._wrong(text)
        return int(number)

    def _factor(self, unit: str, text: str) -> Decimal:
        units = {"size": SIZE_UNITS, "time": TIME_UNITS}.get(self.kind, {})
        for name, factor in units.items():
            if unit.lower() == name.lower():
                return Decimal(factor)
        raise self._wrong(text)

    def _wrong(self, given: object) -> WrongValue:
        return WrongValue(f"must be {self.expected}, not {_said(given)}")

    def show(self, value: Value) -> str:
        """Return a value as people write it: ``64 MiB``, ``24 h``."""
        if isinstance(value, str):
            return value
        if self.kind == "size":
            return shown_size(value)
        if self.kind == "time":
            return shown_time(value)
        return f"{value:g}" if isinstance(value, float) else str(value)


def shown_size(size_bytes: float) -> str:
    """Return a size as people write it: ``64 MiB``."""
    factors = {unit: Decimal(SIZE_UNITS[unit]) for unit in _SHOWN_SIZES}
    return _in_units(size_bytes, factors, "B")


def shown_time(time_s: float) -> str:
    """Return a time as people write it: ``24 h``."""
    return _in_units(time_s, {unit: TIME_UNITS[unit] for unit in _SHOWN_TIMES}, "s")


def _in_units(value: float, factors: dict[str, Decimal], unit: str) -> str:
    number = Decimal(str(value))
    for name, factor in factors.items():
        if number >= factor and number % factor == 0:
            return f"{number // factor} {name}"
    return f"{number.normalize():f} {unit}"


def _said(given: object) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, dict):
        return "a table"
    if isinstance(given, list):
        return "an array"
    if isinstance(given, str):
        said = repr(given[: _SAID + 1])
        return said if len(given) <= _SAID else f"{said[: _SAID + 1]}…'"
    if isinstance(given, int) and given.bit_length() > 64:
        return "a larger number"  # its digits would fill the line
    return str(given)
