"""What the runs of a comparison gave: learning curves, test values per query, and one row per sampler and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from negatives.config import Values
from negatives.evaluation import holm, interval, paired, seconds_to
from negatives.training.callbacks import Callback, Evaluation
from negatives.types import State


@dataclass(slots=True)
class Curve(Callback):
    """The learning curve of one run.

    Args:
        metric: Which metric to note.
        points: ``[seconds, epoch, value]``.
    """

    metric: str
    points: list[list[float]]

    def on_evaluation(self, evaluation: Evaluation) -> None:
        self.points.append([evaluation.seconds, evaluation.epoch, evaluation.metrics[self.metric]])

    def state(self) -> State:
        return {"points": [list(point) for point in self.points]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.points = [list(point) for point in state["points"]]


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run of a comparison.

    Args:
        sampler: Name of the sampler.
        seed: Seed of the run.
        seconds: Seconds of training.
        curve: See :class:`Curve`.
        test: Metric name to mean over the test queries.
        per_query: Metric name to one value per test query.
    """

    sampler: str
    seed: int
    seconds: float
    curve: list[list[float]]
    test: Mapping[str, float]
    per_query: Mapping[str, Tensor]

    def best(self) -> float:
        """The highest validation value."""
        return max(value for _, _, value in self.curve)

    def seconds_to(self, value: float) -> float | None:
        """Seconds until the validation value was reached."""
        return seconds_to([(seconds, reached) for seconds, _, reached in self.curve], value)

    def values(self) -> Values:
        """The run for compare.json."""
        told = {"sampler": self.sampler, "seed": self.seed, "test": dict(self.test)}
        return told | {"train_seconds": self.seconds, "curve": self.curve}


def mean_test(results: Sequence[Result], sampler: str, metric: str) -> float:
    """A sampler's mean over its seeds."""
    values = [one.test[metric] for one in results if one.sampler == sampler]
    return sum(values) / len(values)


@dataclass(frozen=True, slots=True)
class Row:
    """One sampler under one metric.

    Args:
        sampler: Name of the sampler.
        metric: Name of the metric.
        mean: Mean over queries and seeds.
        interval: 95 % interval of the mean, over queries.
        seeds: Mean over queries for each seed.
        gain: Mean over the baseline's mean, less one.
        difference_interval: 95 % interval of the difference from the baseline; None for the baseline.
        p_value: Of that difference, corrected over samplers; None for the baseline.
        train_seconds: Mean over seeds.
        seconds_to_baseline: Mean seconds to the baseline's best validation value; None where a run did not reach it,
            and for metrics other than the watched one.
        seeds_interval: 95 % interval of the mean, over seeds; None for one seed.
    """

    sampler: str
    metric: str
    mean: float
    interval: tuple[float, float]
    seeds: list[float]
    gain: float
    difference_interval: tuple[float, float] | None
    p_value: float | None
    train_seconds: float
    seconds_to_baseline: float | None
    seeds_interval: tuple[float, float] | None = None


def summarise(results: Sequence[Result], samplers: Sequence[str], watched: str) -> list[Row]:
    """One row per metric and sampler; the first sampler is the baseline."""
    by_sampler = {name: [one for one in results if one.sampler == name] for name in samplers}
    return [row for metric in results[0].per_query for row in _rows(by_sampler, samplers[0], metric, metric == watched)]


def _rows(runs: Mapping[str, Sequence[Result]], baseline: str, metric: str, timed: bool) -> list[Row]:
    means = {name: torch.stack([one.per_query[metric] for one in mine]).mean(0) for name, mine in runs.items()}
    base = means[baseline]
    tests = {name: paired(mean, base) for name, mean in means.items() if name != baseline}
    corrected = dict(zip(tests, holm([one.p_value for one in tests.values()]), strict=True))
    rows = []
    for name, mine in runs.items():
        mean, test = means[name], tests.get(name)
        seeds = [one.test[metric] for one in mine]
        rows.append(
            Row(
                sampler=name,
                metric=metric,
                mean=float(mean.mean()),
                interval=interval(mean),
                seeds=seeds,
                gain=float((mean.mean() - base.mean()) / base.mean().abs().clamp(min=1e-12)),
                difference_interval=test.interval if test else None,
                p_value=corrected.get(name),
                train_seconds=sum(one.seconds for one in mine) / len(mine),
                seconds_to_baseline=_to_baseline(mine, runs[baseline]) if timed else None,
                seeds_interval=interval(torch.tensor(seeds, dtype=torch.float64)) if len(seeds) > 1 else None,
            )
        )
    return rows


def _to_baseline(runs: Sequence[Result], baseline: Sequence[Result]) -> float | None:
    """Mean seconds to the baseline's best validation value, averaged over seeds; the baseline's to each own best."""
    level = sum(one.best() for one in baseline) / len(baseline)
    times = [one.seconds_to(one.best() if runs is baseline else level) for one in runs]
    reached = [time for time in times if time is not None]
    return sum(reached) / len(reached) if reached and len(reached) == len(runs) else None
