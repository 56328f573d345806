"""Try a few values in turn, and stay with the one that gains most per second."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from negatives.control.checks import finite, named
from negatives.control.decisions import Decision, Told
from negatives.control.follower import Follower
from negatives.errors import ConfigError


@dataclass(slots=True)
class Bandit(Follower):
    """One of several values (arms), chosen by how fast the signal rises under each: discounted upper confidence bounds.

    An arm stays for ``stay`` observations. Its reward is the rise of the signal over that time, divided by the rise of
    ``clock`` or, without one, by the number of observations. All rewards are scaled by the largest absolute one of all
    arms' means. Then the arm with the largest ``mean_a + explore sqrt(log(sum n) / n_a)`` follows, where means and
    numbers ``n_a`` forget by ``discount`` at each choice, because what helps a young model may not help an old one.
    Arms never tried come first, in their order; of equal ones the first. There is no random number in it.

    Args:
        signal: Name of a signal that rises where training goes well, such as a validation metric.
        arms: The values, at least two.
        clock: Name of a signal that counts the cost, such as ``seconds``; None counts observations.
        stay: Observations of one stay, at least 2.
        explore: Weight of the confidence bound, at least 0.
        discount: What is kept of old rewards at each choice, above 0 and at most 1.

    Raises:
        ConfigError: A parameter does not fit.

    Source: Garivier and Moulines, On Upper-Confidence Bound Policies for Switching Bandit Problems, ALT 2011; the
    reward per second and its scale are this library's.

    >>> two = Bandit("recall", arms=[1.0, 8.0], stay=2, explore=0.0)
    >>> for level in (0.0, 0.1, 0.4, 0.7):
    ...     two.observe({"recall": level})
    >>> two.value
    8.0
    """

    remembered: ClassVar[tuple[str, ...]] = ("arm", "begun", "seen", "sums", "times")
    arms: Sequence[float]
    clock: str | None = None
    stay: int = 4
    explore: float = 0.3
    discount: float = 0.9
    _arm: int = field(default=0, init=False, repr=False)
    _begun: list[float] | None = field(default=None, init=False, repr=False)
    _seen: int = field(default=0, init=False, repr=False)
    _sums: list[float] = field(default_factory=list, init=False, repr=False)
    _times: list[float] = field(default_factory=list, init=False, repr=False)
    _told: Told = field(default_factory=Told, init=False, repr=False)

    def __post_init__(self) -> None:
        named("bandit", self.signal)
        if isinstance(self.arms, (str, int, float)) or len(self.arms) < 2:
            raise ConfigError(f"bandit: arms is {self.arms!r}; it must be a list of two numbers or more")
        finite("bandit", **{f"arms[{index}]": one for index, one in enumerate(self.arms)})
        finite("bandit", explore=self.explore, discount=self.discount)
        if not isinstance(self.stay, int) or isinstance(self.stay, bool) or self.stay < 2:
            raise ConfigError(f"bandit: stay is {self.stay!r}; it must be a whole number of at least 2")
        if self.explore < 0.0 or not 0.0 < self.discount <= 1.0:
            raise ConfigError("bandit: explore must be at least 0, and discount above 0 and at most 1")
        self._sums, self._times = [0.0] * len(self.arms), [0.0] * len(self.arms)

    @property
    def value(self) -> float:
        return float(self.arms[self._arm])

    def _take(self, measured: float, signals: Mapping[str, float]) -> bool:
        now = float(self._count) if self.clock is None else signals.get(self.clock, math.nan)
        if not math.isfinite(now):
            return False
        if self._begun is None:
            self._begun = [measured, now]
        self._seen += 1
        if self._seen >= self.stay and now > self._begun[1]:
            self._reward((measured - self._begun[0]) / (now - self._begun[1]))
            self._begun, self._seen = [measured, now], 1
        return True

    def decisions(self) -> list[Decision]:
        return self._told.take()

    def _reward(self, reward: float) -> None:
        """Credit the arm that played, and choose the next."""
        self._sums = [self.discount * one for one in self._sums]
        self._times = [self.discount * one for one in self._times]
        self._sums[self._arm] += reward
        self._times[self._arm] += 1.0
        before, self._arm = self._arm, self._next()
        if self._arm != before:
            unit = "observation" if self.clock is None else self.clock
            seen = f"{self.signal} {reward:+.3g} per {unit} at {self.arms[before]:g}"
            self._told.add(seen, f"{self.arms[before]:g} to {self.arms[self._arm]:g}")

    def _next(self) -> int:
        if 0.0 in self._times:
            return self._times.index(0.0)
        means = [total / n for total, n in zip(self._sums, self._times, strict=True)]
        scale = max(abs(one) for one in means) or 1.0
        log_all = math.log(max(sum(self._times), 1.0))
        bounds = [
            mean / scale + self.explore * math.sqrt(log_all / n) for mean, n in zip(means, self._times, strict=True)
        ]
        return bounds.index(max(bounds))
