"""Schedules: pure functions of progress ``p``, the share of the training that is done."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from negatives.control.base import Schedule
from negatives.control.checks import finite, span
from negatives.errors import ConfigError
from negatives.parameters import Range


def _share(progress: float, begin: float, end: float) -> float:
    return min(max((progress - begin) / (end - begin), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Constant(Schedule):
    """The same value throughout.

    Args:
        value: The value throughout.

    >>> Constant(3.0).at(0.7)
    3.0
    """

    value: float

    def __post_init__(self) -> None:
        finite("constant", value=self.value)

    def at(self, progress: float) -> float:
        return float(self.value)


@dataclass(frozen=True, slots=True)
class Linear(Schedule):
    """A straight line from ``start`` to ``stop`` between the progress ``begin`` and ``end``, flat outside.

    Args:
        start: The value at first.
        stop: The value in the end.
        begin: Share of the training after which it begins to change.
        end: Share of the training after which it has changed.

    >>> Linear(1.0, 3.0).at(0.5)
    2.0
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "start": Range(0.25, 4.0, relative=True),
        "stop": Range(0.25, 4.0, relative=True),
    }
    start: float
    stop: float
    begin: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        finite("linear", start=self.start, stop=self.stop)
        span("linear", self.begin, self.end)

    def at(self, progress: float) -> float:
        return self.start + (self.stop - self.start) * _share(progress, self.begin, self.end)


@dataclass(frozen=True, slots=True)
class Cosine(Schedule):
    """Half a cosine from ``start`` to ``stop``: ``start + (stop - start)(1 - cos πp)/2``.

    Args:
        start: The value at first.
        stop: The value in the end.
        begin: Share of the training after which it begins to change.
        end: Share of the training after which it has changed.

    >>> round(Cosine(0.0, 1.0).at(0.25), 4)
    0.1464
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "start": Range(0.25, 4.0, relative=True),
        "stop": Range(0.25, 4.0, relative=True),
    }
    start: float
    stop: float
    begin: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        finite("cosine", start=self.start, stop=self.stop)
        span("cosine", self.begin, self.end)

    def at(self, progress: float) -> float:
        share = (1.0 - math.cos(math.pi * _share(progress, self.begin, self.end))) / 2.0
        return self.start + (self.stop - self.start) * share


@dataclass(frozen=True, slots=True)
class Exponential(Schedule):
    """A constant rate of growth from ``start`` to ``stop``, both above zero: ``start (stop/start)^p``.

    Args:
        start: The value at first.
        stop: The value in the end.
        begin: Share of the training after which it begins to change.
        end: Share of the training after which it has changed.

    >>> round(Exponential(1.0, 100.0).at(0.5), 6)
    10.0
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "start": Range(0.25, 4.0, relative=True),
        "stop": Range(0.25, 4.0, relative=True),
    }
    start: float
    stop: float
    begin: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        finite("exponential", start=self.start, stop=self.stop)
        span("exponential", self.begin, self.end)
        if self.start <= 0 or self.stop <= 0:
            raise ConfigError(f"exponential: start {self.start:g} and stop {self.stop:g} must be above zero")

    def at(self, progress: float) -> float:
        return float(self.start * (self.stop / self.start) ** _share(progress, self.begin, self.end))


@dataclass(frozen=True, slots=True)
class Step(Schedule):
    """Stairs: ``values[i]`` from the progress ``at_progress[i - 1]`` on; one value more than boundaries.

    Args:
        values: Values, in their order.
        at_progress: Shares of the training after which the next value begins, ascending.

    >>> [Step((1, 2, 3), (0.5, 0.8)).at(p) for p in (0.0, 0.5, 1.0)]
    [1.0, 2.0, 3.0]
    """

    values: Sequence[float]
    at_progress: Sequence[float]

    def __post_init__(self) -> None:
        for name in ("values", "at_progress"):
            given = getattr(self, name)
            if isinstance(given, (str, int, float)):
                raise ConfigError(f"step: {name} is {given!r}; it must be a list of numbers")
            finite("step", **{f"{name}[{index}]": one for index, one in enumerate(given)})
            object.__setattr__(self, name, tuple(given))
        bounds = list(self.at_progress)
        if len(self.values) != len(bounds) + 1:
            raise ConfigError(f"step: {len(bounds)} boundaries need {len(bounds) + 1} values, not {len(self.values)}")
        if bounds != sorted(set(bounds)) or (bounds and not 0.0 < bounds[0] <= bounds[-1] < 1.0):
            raise ConfigError(f"step: at_progress is {bounds}; it must rise and lie between 0 and 1")

    def at(self, progress: float) -> float:
        return float(self.values[bisect_right(self.at_progress, progress)])


@dataclass(frozen=True, slots=True)
class WarmUp(Schedule):
    """A straight line from ``start`` to ``value`` over the first ``share`` of the training, then constant.

    Args:
        value: The value in the end.
        share: Share of the training over which it is reached.
        start: The value at first.

    >>> WarmUp(2.0, share=0.1).at(0.05), WarmUp(2.0).at(0.5)
    (1.0, 2.0)
    """

    value: float
    share: float = 0.1
    start: float = 0.0

    def __post_init__(self) -> None:
        finite("warm_up", value=self.value, start=self.start)
        span("warm_up", 0.0, self.share)

    def at(self, progress: float) -> float:
        return self.start + (self.value - self.start) * _share(progress, 0.0, self.share)
