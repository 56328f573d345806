"""What every metric promises: one term for each question, in its bounds, and nothing above a perfect answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from negatives.testing.promises import Check, global_randomness_untouched, hold, like, near, run, same, unwritten


class Value(Protocol):
    """What a metric is computed of: answers to a number of questions."""

    @property
    def rows(self) -> int: ...


V = TypeVar("V", bound=Value)
W = TypeVar("W", bound=Value, contravariant=True)


class Metric(Protocol[W]):
    """What is asked of a metric here."""

    @property
    def per_query(self) -> bool: ...
    def of(self, value: W) -> Tensor: ...
    def mean(self, value: W, terms: Tensor) -> float: ...


@dataclass(frozen=True, slots=True)
class MetricCase(Generic[V]):
    """A metric under test.

    Args:
        make: Gives it anew.
        samples: Values to compute it of, good and bad ones, some of several questions.
        low: Smallest value that a mean may take.
        high: Largest.
        best: Values whose answers are perfect; the last is the best that the metric can be.
        larger_is_better: Whether a larger mean is the better one.
        turn: Gives a value with its questions in another order ``(rows,)``; None where they cannot be turned.
    """

    make: Callable[[], Metric[V]]
    samples: Sequence[V]
    low: float = 0.0
    high: float = 1.0
    best: Sequence[V] = ()
    larger_is_better: bool = True
    turn: Callable[[V, Tensor], V] | None = None


def terms_are_one_for_each_question(case: MetricCase[V]) -> None:
    """Terms are float64, finite, one for each question, or one for all where the metric is not per query."""
    for value in case.samples:
        metric = case.make()
        terms = metric.of(value)
        like(terms, (value.rows if metric.per_query else 1,), torch.float64, "the terms")
        hold(bool(terms.isfinite().all()), f"a term is {terms[~terms.isfinite()][:1].tolist()}")
        same(case.make().of(value), terms, "a second computation's terms")


def means_stay_in_their_bounds(case: MetricCase[V]) -> None:
    """The mean lies within its bounds, and differs between good and bad answers."""
    found = [mean(case, value) for value in case.samples]
    for value in found:
        hold(math.isfinite(value), f"the metric is {value}")
        hold(case.low - 1e-12 <= value <= case.high + 1e-12, f"{value:.9g} is outside {case.low:g} to {case.high:g}")
    hold(len(set(found)) > 1, f"it is {found[0]:g} for every sample")


def mean(case: MetricCase[V], value: V) -> float:
    """The metric of a value."""
    metric = case.make()
    return metric.mean(value, metric.of(value))


def nothing_beats_a_perfect_answer(case: MetricCase[V]) -> None:
    """A perfect answer is at least as good as any sample."""
    sign = 1.0 if case.larger_is_better else -1.0
    for perfect in case.best:
        best = sign * mean(case, perfect)
        for value in case.samples:
            found = sign * mean(case, value)
            hold(found <= best + 1e-12, f"a sample has {sign * found:.9g}, a perfect answer {sign * best:.9g}")


def questions_may_stand_in_any_order(case: MetricCase[V]) -> None:
    """Turning the questions turns the terms and leaves the mean."""
    if case.turn is None:
        return
    for value in case.samples:
        metric = case.make()
        terms = metric.of(value)
        order = torch.arange(value.rows).flip(0)
        turned = case.turn(value, order)
        near(metric.of(turned), terms[order] if metric.per_query else terms, "terms of turned questions", atol=1e-12)
        gap = abs(mean(case, turned) - mean(case, value))
        hold(gap <= 1e-9 * max(1.0, abs(mean(case, value))), f"turning the questions moves the mean by {gap:g}")


def nothing_else_is_touched(case: MetricCase[V]) -> None:
    """Values are not written to, and no global generator is used."""
    for value in case.samples:
        with global_randomness_untouched(), unwritten(value):
            mean(case, value)


CHECKS: tuple[Check[MetricCase[Value]], ...] = (
    terms_are_one_for_each_question,
    means_stay_in_their_bounds,
    nothing_beats_a_perfect_answer,
    questions_may_stand_in_any_order,
    nothing_else_is_touched,
)


def check_metric(
    make: Callable[[], Metric[V]],
    samples: Sequence[V],
    *,
    low: float = 0.0,
    high: float = 1.0,
    best: Sequence[V] = (),
    larger_is_better: bool = True,
    turn: Callable[[V, Tensor], V] | None = None,
) -> None:
    """Run the contract of a metric.

    Args:
        make: Gives the metric anew.
        samples: Values to compute it of, good and bad ones, some of several questions.
        low: Smallest value that a mean may take.
        high: Largest.
        best: Values whose answers are perfect.
        larger_is_better: Whether a larger mean is the better one.
        turn: Gives a value with its questions in another order.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    case = MetricCase(make, samples, low, high, best, larger_is_better, turn)
    run(type(make()).__name__, case, CHECKS)  # type: ignore[arg-type]
