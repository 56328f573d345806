"""Numbers over training, ready to be drawn: thinned out, and averaged over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from negatives.diagnostics.report.runs import Run

POINTS = 300
"""Points of a line at most."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: ``x`` and ``y`` of equal length, ``x`` ascending."""

    x: list[float]
    y: list[float]


Reader = Callable[[Run], Series]


def learning_curve(metric: str, over: str) -> Reader:
    """Reads a validation metric over ``"seconds"`` or ``"epoch"``."""

    def read(run: Run) -> Series:
        points = [
            (line[over], line["metrics"][metric])
            for line in run.lines("evaluation")
            if line.get("metrics", {}).get(metric) is not None and line.get(over) is not None
        ]
        if run.curve and (not points or len(run.curve) > len(points)):
            points = [(one[0 if over == "seconds" else 1], one[2]) for one in run.curve]
        return Series([float(x) for x, _ in points], [float(y) for _, y in points])

    return read


def measured(name: str) -> Reader:
    """Reads a probe over epochs, or over steps where the length of an epoch is not known."""

    def read(run: Run) -> Series:
        per_epoch = run.steps_per_epoch() or 1.0
        points = [(line["step"] / per_epoch, line[name]) for line in run.lines("step") if line.get(name) is not None]
        return thin(Series([x for x, _ in points], [float(y) for _, y in points]))

    return read


def controlled(path: str) -> Reader:
    """Reads a controlled number over epochs, as a stair to the end of the run."""

    def read(run: Run) -> Series:
        per_epoch = run.steps_per_epoch() or 1.0
        lines = run.lines("control")
        points = [(line["step"] / per_epoch, line["values"][path]) for line in lines if _is_number(line, path)]
        if points and run.history:
            points.append((max(points[-1][0], run.history[-1]["step"] / per_epoch), points[-1][1]))
        kept = points[:: max(1, len(points) // POINTS)]
        kept += points[-1:] if points and kept[-1] != points[-1] else []
        return Series([x for x, _ in kept], [float(y) for _, y in kept])

    return read


def thin(series: Series) -> Series:
    """At most :data:`POINTS` points, each the mean of its neighbours.

    >>> len(thin(Series([float(i) for i in range(1000)], [0.0] * 1000)).x) <= POINTS
    True
    """
    size = math.ceil(len(series.x) / POINTS)
    if size <= 1:
        return series
    starts = range(0, len(series.x), size)
    x = [float(np.mean(series.x[start : start + size])) for start in starts]
    return Series(x, [float(np.mean(series.y[start : start + size])) for start in starts])


def running_mean(series: Series, width: int) -> Series:
    """Means of each point and its neighbours, ``width`` points wide, narrower at the ends, which stay what they are.

    >>> running_mean(Series([0.0, 1.0, 2.0, 3.0], [0.0, 3.0, 0.0, 1.0]), 3).y
    [0.0, 1.0, 1.3333333333333333, 1.0]
    """
    n, found = len(series.y), []
    for at in range(n):
        half = min(width // 2, at, n - 1 - at)
        found.append(float(np.mean(series.y[at - half : at + half + 1])))
    return Series(series.x, found)


def mean_over_seeds(lines: Sequence[Series]) -> Series:
    """Mean of several lines over the range that all of them cover, by linear interpolation.

    >>> mean_over_seeds([Series([0.0, 2.0], [0.0, 2.0]), Series([0.0, 2.0], [2.0, 4.0])]).y
    [1.0, 3.0]
    """
    lines = [line for line in lines if line.x]
    if len(lines) <= 1:
        return lines[0] if lines else Series([], [])
    low, high = max(line.x[0] for line in lines), min(line.x[-1] for line in lines)
    grid = sorted({x for line in lines for x in line.x if low <= x <= high})
    if not grid:
        return Series([], [])
    y = np.mean([np.interp(grid, line.x, line.y) for line in lines], axis=0)
    return thin(Series([float(x) for x in grid], [float(value) for value in y]))


def _is_number(line: dict[str, object], path: str) -> bool:
    values = line.get("values")
    return isinstance(values, dict) and isinstance(values.get(path), (int, float))
