"""Checks of parameters, shared by schedules and controllers."""

from __future__ import annotations

import math

from negatives.errors import ConfigError


def named(part: str, signal: object) -> None:
    """Refuse what is no name of a signal.

    Raises:
        ConfigError: Names the part and the value.
    """
    if not isinstance(signal, str) or not signal:
        raise ConfigError(f"{part}: signal is {signal!r}; it must be the name of a signal")


def finite(part: str, **values: object) -> None:
    """Refuse what is not a finite number.

    Raises:
        ConfigError: Names the part, the parameter and the value.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ConfigError(f"{part}: {name} is {value!r}; it must be a finite number")


def span(part: str, begin: float, end: float) -> None:
    """Refuse a part of the training that is not ``0 <= begin < end <= 1``.

    Raises:
        ConfigError: Names the part and the values.
    """
    finite(part, begin=begin, end=end)
    if not 0.0 <= begin < end <= 1.0:
        raise ConfigError(f"{part}: begin {begin:g} and end {end:g} must satisfy 0 <= begin < end <= 1")
