"""Retreat when a signal collapses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from negatives.control.checks import finite, named
from negatives.control.decisions import Decision, Told
from negatives.control.follower import Smoothing
from negatives.errors import ConfigError


@dataclass(slots=True)
class BackOff(Smoothing):
    """A hardness that halves when a watched signal collapses, and then creeps back.

    The smoothed signal ``y`` is compared with the best value it had since the last retreat: below ``drop`` times
    that, ``v <- max(low, factor · v)`` and the best starts anew at ``y``; otherwise
    ``v <- min(start, recovery · v)``. A best value that is not above zero has no share to fall below: a signal that
    drops below zero is one collapse, and one that stays there is none.

    Args:
        signal: Name of a signal that is large, and above zero, when training is healthy.
        start: First and largest value.
        low: Smallest value, above zero.
        drop: Share of the best signal below which it has collapsed, between 0 and 1.
        factor: Factor of one retreat, between 0 and 1.
        recovery: Factor of growth at each healthy observation, at least 1.
        smoothing: Share of the old smoothed signal that is kept, from 0 to below 1.

    Raises:
        ConfigError: A parameter does not fit.

    >>> back = BackOff("effective_sample_size", start=4.0, low=1.0, smoothing=0.0)
    >>> for size in (0.8, 0.2):
    ...     back.observe({"effective_sample_size": size})
    >>> back.value
    2.0
    """

    remembered: ClassVar[tuple[str, ...]] = ("value", "smoothed", "best")
    start: float
    low: float
    drop: float = 0.5
    factor: float = 0.5
    recovery: float = 1.01
    _best: float = field(default=0.0, init=False, repr=False)
    _told: Told = field(default_factory=Told, init=False, repr=False)

    def __post_init__(self) -> None:
        named("back_off", self.signal)
        finite("back_off", start=self.start, low=self.low, drop=self.drop, factor=self.factor)
        finite("back_off", recovery=self.recovery, smoothing=self.smoothing)
        if not 0.0 < self.low <= self.start:
            raise ConfigError(f"back_off: 0 < low <= start fails for {self.low:g}, {self.start:g}")
        if not (0.0 < self.drop < 1.0 and 0.0 < self.factor < 1.0 and self.recovery >= 1.0):
            raise ConfigError("back_off: drop and factor must lie between 0 and 1, recovery must be at least 1")
        if not 0.0 <= self.smoothing < 1.0:
            raise ConfigError("back_off: smoothing must be from 0 to below 1")
        self._value = float(self.start)

    def _take(self, measured: float, signals: Mapping[str, float]) -> bool:
        smoothed = self._smooth(measured)
        if self._best > 0.0 and smoothed < self.drop * self._best:
            seen = f"{self.signal} {smoothed:.3g}, below {self.drop:g} of its best {self._best:.3g}"
            before, self._best = self._value, smoothed
            self._value = max(self.low, self._value * self.factor)
            self._told.add(seen, f"{before:.3g} to {self._value:.3g}: one step back")
        else:
            self._value = min(self.start, self._value * self.recovery)
            self._best = max(self._best, smoothed)
        return True

    def decisions(self) -> list[Decision]:
        return self._told.take()
