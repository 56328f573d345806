"""Log-likelihood."""

from __future__ import annotations

from typing import final

from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Likelihood


@final
class LogLikelihood(Metric[Likelihood]):
    """``log p(w | context)`` of each word, in natural units."""

    needs = Likelihood

    def of(self, value: Likelihood) -> Tensor:
        return value.log_p
