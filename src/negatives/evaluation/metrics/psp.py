"""Propensity-scored precision."""

from __future__ import annotations

from typing import final

from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import RankedByWeights


@final
class PSP(Metric[RankedByWeights]):
    """Gain of all rows over the best possible one, where each right label counts ``1 / p``.

    ``psp@k = sum_i sum_{l in top_k(i)} y_il / p_l / sum_i max_{|y'| = k} sum_{l in y'} y_il / p_l``, as the published
    evaluation scripts compute it. It is a ratio of sums; a row's term is its gain over the mean best gain.

    Source: Jain, Prabhu and Varma, Extreme Multi-label Loss Functions, KDD 2016.
    """

    needs = RankedByWeights
    cut = "needed"

    def of(self, value: RankedByWeights) -> Tensor:
        return self._gains(value) * (value.rows / self._best(value))

    def mean(self, value: RankedByWeights, terms: Tensor) -> float:
        return float(self._gains(value).sum() / self._best(value))

    def _gains(self, value: RankedByWeights) -> Tensor:
        weights = value.weights[value.items[:, : self.at].clamp(min=0)]
        return (value.hits[:, : self.at] * weights).sum(1)

    def _best(self, value: RankedByWeights) -> Tensor:
        # added one after the other: the sum of a row is the same bits whatever the length of the list
        return value.best[:, : self.at].cumsum(1)[:, -1].contiguous().sum().clamp(min=1e-300)
