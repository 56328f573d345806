"""Popularity bias."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import RankedByCounts


@final
class Popularity(Metric[RankedByCounts]):
    """Mean popularity percentile of the first ``k`` of all lists, less that of all right answers.

    ``F(c) = |{items of count at most c}| / |items|``. 0 is unbiased; positive means that popular items are shown more
    than they are wanted.
    """

    needs = RankedByCounts
    cut = "needed"
    per_query = False

    def of(self, value: RankedByCounts) -> Tensor:
        ordered = value.counts.sort().values
        percentile = torch.searchsorted(ordered, value.counts, right=True).double() / value.counts.numel()
        shown = value.items[:, : self.at]
        return (percentile[shown[shown >= 0]].mean() - percentile[value.wanted].mean())[None]
