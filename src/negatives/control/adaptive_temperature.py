"""A temperature in closed form from the scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from negatives.control.checks import finite, named
from negatives.control.follower import Smoothing
from negatives.errors import ConfigError


@dataclass(slots=True)
class AdaptiveTemperature(Smoothing):
    """The temperature at which a softmax over all items gives a positive half of the mass: ``T = L / log(1/(2 p))``.

    ``L = mean s⁺ - mean s`` is the signal ``lead``, smoothed; ``p`` is the share of all pairs of a query and an item
    that are positives. To first order in the scores ``e^{L/T}`` is how much likelier a positive is than an average
    item; half the mass lies on the positives where that is ``1/(2 p)``. A signal that is missing, not finite or not
    above zero changes nothing: then positives do not lead yet, and no temperature would make them. So does a ``p`` that
    is not known, or not below 1/2.

    Differs from the paper's ``τ_0``: the means are those of the batch and its candidates, smoothed, in place of one
    pass over all vectors in each epoch, and the value is kept within bounds. The factor per query, from its own loss
    by Lambert's function, is not part of it.

    Args:
        signal: Name of the signal, ``"lead"``, see :mod:`negatives.control.signals`.
        start: First value, until there is a measurement.
        low: Smallest value, above zero.
        high: Largest value, above ``low``.
        density: ``p``, above 0 and below 1/2; left out, that of the data, which is the signal ``density``.
        smoothing: Share of the old smoothed signal that is kept, from 0 to below 1.

    Raises:
        ConfigError: A parameter does not fit.

    Source: Chen et al., Adap-τ: Adaptively Modulating Embedding Magnitude for Recommendation, WWW 2023.

    >>> heat = AdaptiveTemperature("lead", density=0.5 / math.e**4, start=1.0, low=0.01, high=10.0)
    >>> heat.observe({"lead": 0.8})
    >>> round(heat.value, 6)
    0.2
    """

    remembered: ClassVar[tuple[str, ...]] = ("value", "smoothed")
    start: float
    low: float
    high: float
    density: float | None = None

    def __post_init__(self) -> None:
        named("adaptive_temperature", self.signal)
        finite("adaptive_temperature", start=self.start, low=self.low, high=self.high)
        finite("adaptive_temperature", smoothing=self.smoothing)
        if self.density is not None and not 0.0 < self.density < 0.5:
            raise ConfigError(f"adaptive_temperature: density is {self.density:g}; it must be above 0 and below 0.5")
        if not 0.0 < self.low <= self.start <= self.high:
            raise ConfigError(
                f"adaptive_temperature: 0 < low <= start <= high fails for {self.low:g}, {self.start:g}, {self.high:g}"
            )
        if not 0.0 <= self.smoothing < 1.0:
            raise ConfigError("adaptive_temperature: smoothing must be from 0 to below 1")
        self._value = float(self.start)

    def _take(self, measured: float, signals: Mapping[str, float]) -> bool:
        smoothed = self._smooth(measured)
        density = signals.get("density", math.nan) if self.density is None else self.density
        if smoothed > 0.0 and 0.0 < density < 0.5:
            wanted = smoothed / -math.log(2.0 * density)
            self._value = min(max(wanted, float(self.low)), float(self.high))
        return True
