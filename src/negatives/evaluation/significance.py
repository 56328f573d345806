"""Is the difference more than chance? Paired tests over queries, intervals, and times to a level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired comparison.

    Args:
        mean: Mean of ``a - b``.
        interval: 95 % interval of that mean.
        p_value: Two-sided paired t-test.
    """

    mean: float
    interval: tuple[float, float]
    p_value: float


def interval(values: Tensor, level: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean of ``values`` ``(n,)``; the mean twice when ``n`` is one.

    >>> import torch
    >>> tuple(round(x, 3) for x in interval(torch.tensor([1.0, 2.0, 3.0])))
    (-0.484, 4.484)
    """
    mean = float(values.double().mean())
    n = values.numel()
    if n < 2:
        return mean, mean
    from scipy import special

    half = float(special.stdtrit(n - 1, 0.5 + level / 2)) * float(values.double().std()) / n**0.5
    return mean - half, mean + half


def standard_error(values: Tensor | None) -> float:
    """Standard error of the mean of ``values`` ``(n,)``; zero where there are fewer than two, or none.

    >>> import torch
    >>> round(standard_error(torch.tensor([1.0, 2.0, 3.0])), 3)
    0.577
    """
    if values is None or values.numel() < 2:
        return 0.0
    return float(values.double().std()) / math.sqrt(values.numel())


def paired(a: Tensor, b: Tensor) -> Difference:
    """Compare two samplers over the same queries, each ``(n,)``, by the paired t-test."""
    from scipy import stats

    gap = (a - b).double()
    if bool((gap == 0).all()):
        return Difference(0.0, (0.0, 0.0), 1.0)
    return Difference(float(gap.mean()), interval(gap), float(stats.ttest_rel(a.numpy(), b.numpy()).pvalue))


def sign_flip(a: Tensor, b: Tensor, seed: int = 0, flips: int = 9_999) -> float:
    """Two-sided p-value of the sign-flip permutation test; assumes nothing about the distribution."""
    gap = (a - b).double().numpy()
    random = np.random.Generator(np.random.Philox(seed))
    observed = abs(gap.mean())
    beyond = sum(
        int(
            (
                np.abs((random.integers(0, 2, (min(256, flips - done), gap.size)) * 2 - 1) @ gap / gap.size)
                >= observed - 1e-15
            ).sum()
        )
        for done in range(0, flips, 256)
    )
    return (beyond + 1) / (flips + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction for testing several samplers at once.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - place)))
        corrected[index] = round(highest, 12)
    return corrected


def seconds_to(curve: Sequence[tuple[float, float]], value: float) -> float | None:
    """Seconds at which a learning curve of (seconds, metric) first reaches ``value``, interpolated; None if never.

    >>> seconds_to([(0.0, 0.0), (10.0, 0.2)], 0.1)
    5.0
    """
    before: tuple[float, float] | None = None
    for seconds, metric in curve:
        if metric >= value:
            if before is None or metric == before[1]:
                return seconds
            share = (value - before[1]) / (metric - before[1])
            return before[0] + share * (seconds - before[0])
        before = (seconds, metric)
    return None


def p_text(p_value: float) -> str:
    """``p = 0.03``, or ``p < 1e-16`` where the number has run out.

    >>> p_text(0.0312), p_text(0.0)
    ('p = 0.031', 'p < 1e-16')
    """
    return "p < 1e-16" if p_value < 1e-16 else f"p = {p_value:.2g}"
