"""Precision."""

from __future__ import annotations

from typing import final

from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Ranked


@final
class Precision(Metric[Ranked]):
    """Share of the first ``k`` that are right: ``|hits in the first k| / k``; empty places count as wrong."""

    needs = Ranked
    cut = "needed"

    def of(self, value: Ranked) -> Tensor:
        return value.hits[:, : self.at].double().mean(1)
