"""Hold a signal at a target by feedback."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from negatives.control.checks import finite, named
from negatives.control.follower import Smoothing
from negatives.errors import ConfigError
from negatives.parameters import Range


@dataclass(slots=True)
class Hold(Smoothing):
    """Integral controller in the log domain: ``v <- clip(v exp(±rate · clip((target - y)/scale, -1, 1)), low, high)``.

    ``y`` is the signal, smoothed: ``y <- y + (1 - smoothing)(measured - y)``. ``scale`` is ``|target|``, or 1 for a
    target of zero. A signal that is missing or not finite changes nothing.

    Args:
        signal: Name of the signal, see :mod:`negatives.control.signals`.
        target: Value at which the signal is to stay.
        start: First value of the number.
        low: Smallest value, above zero.
        high: Largest value of the number.
        rate: Largest change of ``log v`` at one observation.
        rises: True when a larger number makes the signal larger.
        smoothing: Share of the old smoothed signal that is kept, from 0 to below 1.

    Raises:
        ConfigError: A parameter does not fit.

    >>> hold = Hold("violation_rate", target=0.2, start=1.0, low=0.1, high=10.0)
    >>> hold.observe({"violation_rate": 0.1})
    >>> round(hold.value, 4)
    1.0513
    """

    remembered: ClassVar[tuple[str, ...]] = ("value", "smoothed")
    tunable: ClassVar[Mapping[str, Range]] = {"target": Range(0.3, 3.0, relative=True)}
    target: float
    start: float
    low: float
    high: float
    rate: float = 0.1
    rises: bool = True

    def __post_init__(self) -> None:
        named("hold", self.signal)
        finite("hold", target=self.target, start=self.start, low=self.low, high=self.high, rate=self.rate)
        finite("hold", smoothing=self.smoothing)
        if not 0.0 < self.low <= self.start <= self.high:
            raise ConfigError(f"hold: 0 < low <= start <= high fails for {self.low:g}, {self.start:g}, {self.high:g}")
        if self.rate <= 0.0 or not 0.0 <= self.smoothing < 1.0:
            raise ConfigError("hold: rate must be above zero, and smoothing from 0 to below 1")
        self._value = float(self.start)

    def _take(self, measured: float, signals: Mapping[str, float]) -> bool:
        smoothed = self._smooth(measured)
        error = (self.target - smoothed) / (abs(self.target) or 1.0)
        push = self.rate * min(max(error, -1.0), 1.0)
        self._value = min(max(self._value * math.exp(push if self.rises else -push), self.low), self.high)
        return True
