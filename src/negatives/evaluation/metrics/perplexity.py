"""Perplexity."""

from __future__ import annotations

from typing import final

from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Likelihood


@final
class Perplexity(Metric[Likelihood]):
    """``exp(-mean_w log p(w | context))``; the lower the better."""

    needs = Likelihood
    per_query = False

    def of(self, value: Likelihood) -> Tensor:
        return (-value.log_p.mean()).exp()[None]
