"""Harder as the model masters the present level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from negatives.control.checks import finite, named
from negatives.control.decisions import Decision, Told
from negatives.control.follower import Follower
from negatives.errors import ConfigError


@dataclass(slots=True)
class Competence(Follower):
    """A number that climbs ``levels`` stairs from ``start`` to ``stop``, one when the model masters the present one.

    ``v_l = start (stop/start)^(l/(levels - 1))``. The signal ``y``, a rate of failure such as ``violation_rate``, is
    averaged over the observations at the present level alone. After ``patience`` of them the level rises where the
    mean of the last ``patience`` is at most ``mastered``; it falls where that is above ``lost``, because the step was
    too high. Between the two it stays. A signal that is missing or not finite changes nothing.

    Differs from competence-based curricula (Platanios et al., NAACL 2019), where the level follows the clock: here it
    follows what the model gets right, so a model that learns slowly is given time, and one that forgets goes back.

    Args:
        signal: Name of a signal that is small where the model does well, see :mod:`negatives.control.signals`.
        start: The easiest value, above zero.
        stop: The hardest value, above zero; smaller or larger than ``start``.
        mastered: Mean of the signal at or below which the level rises.
        lost: Mean of the signal above which it falls; above ``mastered``.
        levels: Number of stairs, at least 2.
        patience: Observations of one level before it may be left.

    Raises:
        ConfigError: A parameter does not fit.

    Source: mastery in place of the clock, after Bengio et al., Curriculum Learning, ICML 2009, and Platanios et al.

    >>> climb = Competence("violation_rate", start=1.0, stop=4.0, mastered=0.1, lost=0.5, levels=3, patience=2)
    >>> for rate in (0.3, 0.1, 0.1, 0.05):
    ...     climb.observe({"violation_rate": rate})
    >>> climb.value
    2.0
    """

    remembered: ClassVar[tuple[str, ...]] = ("level", "recent")
    start: float
    stop: float
    mastered: float
    lost: float
    levels: int = 8
    patience: int = 8
    _level: int = field(default=0, init=False, repr=False)
    _recent: list[float] = field(default_factory=list, init=False, repr=False)
    _told: Told = field(default_factory=Told, init=False, repr=False)

    def __post_init__(self) -> None:
        named("competence", self.signal)
        finite("competence", start=self.start, stop=self.stop, mastered=self.mastered, lost=self.lost)
        if self.start <= 0.0 or self.stop <= 0.0:
            raise ConfigError(f"competence: start {self.start:g} and stop {self.stop:g} must be above zero")
        if not self.mastered < self.lost:
            raise ConfigError(f"competence: mastered < lost fails for {self.mastered:g}, {self.lost:g}")
        for name, value, least in (("levels", self.levels, 2), ("patience", self.patience, 1)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"competence: {name} is {value!r}; it must be a whole number of at least {least}")

    @property
    def value(self) -> float:
        return float(self.start * (self.stop / self.start) ** (self._level / (self.levels - 1)))

    def _take(self, measured: float, signals: Mapping[str, float]) -> bool:
        self._recent = [*self._recent, measured][-self.patience :]
        mean = sum(self._recent) / len(self._recent)
        if len(self._recent) == self.patience:
            if mean <= self.mastered and self._level < self.levels - 1:
                self._move(1, f"{self.signal} {mean:.3g}, at most {self.mastered:g}", "harder")
            elif mean > self.lost and self._level > 0:
                self._move(-1, f"{self.signal} {mean:.3g}, above {self.lost:g}", "one level back")
        return True

    def decisions(self) -> list[Decision]:
        return self._told.take()

    def _move(self, by: int, seen: str, why: str) -> None:
        before = self.value
        self._level += by
        self._recent = []
        self._told.add(seen, f"{before:.3g} to {self.value:.3g}, level {self._level + 1} of {self.levels}: {why}")
