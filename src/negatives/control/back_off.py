"""Retreat when a signal collapses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from negatives.control.base import Controller
from negatives.control.checks import finite
from negatives.control.decisions import Decision, Told
from negatives.control.history import History, append, restore
from negatives.errors import ConfigError
from negatives.types import State


@dataclass(slots=True)
class BackOff(Controller):
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

    signal: str
    start: float
    low: float
    drop: float = 0.5
    factor: float = 0.5
    recovery: float = 1.01
    smoothing: float = 0.8
    history: History = field(default_factory=list, init=False, repr=False)
    _value: float = field(default=0.0, init=False, repr=False)
    _smoothed: float | None = field(default=None, init=False, repr=False)
    _best: float = field(default=0.0, init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)
    _told: Told = field(default_factory=Told, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.signal, str) or not self.signal:
            raise ConfigError(f"back_off: signal is {self.signal!r}; it must be the name of a signal")
        finite("back_off", start=self.start, low=self.low, drop=self.drop, factor=self.factor)
        finite("back_off", recovery=self.recovery, smoothing=self.smoothing)
        if not 0.0 < self.low <= self.start:
            raise ConfigError(f"back_off: 0 < low <= start fails for {self.low:g}, {self.start:g}")
        if not (0.0 < self.drop < 1.0 and 0.0 < self.factor < 1.0 and self.recovery >= 1.0):
            raise ConfigError("back_off: drop and factor must lie between 0 and 1, recovery must be at least 1")
        if not 0.0 <= self.smoothing < 1.0:
            raise ConfigError("back_off: smoothing must be from 0 to below 1")
        self._value = float(self.start)

    @property
    def value(self) -> float:
        return self._value

    def observe(self, signals: Mapping[str, float]) -> None:
        measured = signals.get(self.signal, math.nan)
        if not math.isfinite(measured):
            return
        old = measured if self._smoothed is None else self._smoothed
        self._smoothed = old + (1.0 - self.smoothing) * (measured - old)
        if self._best > 0.0 and self._smoothed < self.drop * self._best:
            seen = f"{self.signal} {self._smoothed:.3g}, below {self.drop:g} of its best {self._best:.3g}"
            before, self._best = self._value, self._smoothed
            self._value = max(self.low, self._value * self.factor)
            self._told.add(seen, f"{before:.3g} to {self._value:.3g}: one step back")
        else:
            self._value = min(self.start, self._value * self.recovery)
            self._best = max(self._best, self._smoothed)
        self._count += 1
        append(self.history, self._count, self._value)

    def decisions(self) -> list[Decision]:
        return self._told.take()

    def state(self) -> State:
        return {
            "value": self._value,
            "smoothed": self._smoothed,
            "best": self._best,
            "count": self._count,
            "history": [list(pair) for pair in self.history],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._value, self._smoothed, self._count = state["value"], state["smoothed"], state["count"]
        self._best = state["best"]
        self.history = restore(state["history"])
