"""How much the normaliser varies."""

from __future__ import annotations

from typing import final

from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Likelihood


@final
class LogZSpread(Metric[Likelihood]):
    """Standard deviation of ``log Z`` over the words."""

    needs = Likelihood
    per_query = False

    def of(self, value: Likelihood) -> Tensor:
        return value.log_z.std(unbiased=False)[None]
