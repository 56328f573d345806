"""What all controllers that follow one signal share: when they observe, and what they remember."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from negatives.control.base import Controller
from negatives.control.history import History, append, restore
from negatives.types import State


@dataclass(slots=True)
class Follower(Controller):
    """Follows one signal; where that is missing or not finite, nothing changes.

    Args:
        signal: Name of the signal, see :mod:`negatives.control.signals`.
    """

    remembered: ClassVar[tuple[str, ...]] = ()
    """Its state, as names of attributes; the number of observations and the history come by themselves."""

    signal: str
    history: History = field(default_factory=list, init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)

    @abstractmethod
    def _take(self, measured: float, signals: Mapping[str, float]) -> bool:
        """Take in what was measured of the signal, beside all signals; False where it does not count."""

    def observe(self, signals: Mapping[str, float]) -> None:
        measured = signals.get(self.signal, math.nan)
        if math.isfinite(measured) and self._take(measured, signals):
            self._count += 1
            append(self.history, self._count, self.value)

    def state(self) -> State:
        own = {name: copy.copy(getattr(self, f"_{name}")) for name in self.remembered}
        return own | {"count": self._count, "history": [list(pair) for pair in self.history]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        for name in self.remembered:
            setattr(self, f"_{name}", copy.copy(state[name]))
        self._count, self.history = state["count"], restore(state["history"])


@dataclass(slots=True)
class Smoothing(Follower):
    """A follower of the smoothed signal, whose value is a number that it keeps."""

    smoothing: float = field(default=0.8, kw_only=True)
    _value: float = field(default=0.0, init=False, repr=False)
    _smoothed: float | None = field(default=None, init=False, repr=False)

    @property
    def value(self) -> float:
        return self._value

    def _smooth(self, measured: float) -> float:
        """The smoothed signal, ``y <- y + (1 - smoothing)(measured - y)``; the first measurement itself."""
        old = measured if self._smoothed is None else self._smoothed
        self._smoothed = old + (1.0 - self.smoothing) * (measured - old)
        return self._smoothed
