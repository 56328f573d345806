"""The logarithm of the normaliser."""

from __future__ import annotations

from typing import final

from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Likelihood


@final
class LogZ(Metric[Likelihood]):
    """``log Z = log sum_w exp(s_w)`` at each word.

    A model is self-normalised where its mean and its standard deviation are near zero: its scores are then
    log-probabilities without the sum.
    """

    needs = Likelihood

    def of(self, value: Likelihood) -> Tensor:
        return value.log_z
