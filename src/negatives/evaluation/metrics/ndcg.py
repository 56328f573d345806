"""Normalised discounted cumulative gain."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Ranked


@final
class NDCG(Metric[Ranked]):
    """Discounted gain over that of the best possible order.

    ``sum_{r <= k} g_r / log2(r + 1)`` over the same sum of the best order; gains ``g`` are linear.

    Source: Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 2002, with the discount
    and the linear gains of trec_eval.

    >>> grades, best = torch.tensor([[0, 2]]), torch.tensor([[2, 1]])
    >>> items, right = torch.tensor([[7, 3]]), torch.tensor([2])
    >>> value = Ranked(items=items, gains=grades, relevant=right, n_candidates=9, ideal=best)
    >>> round(NDCG(2).of(value).item(), 4)
    0.4796
    """

    needs = Ranked
    cut = "needed"

    def of(self, value: Ranked) -> Tensor:
        gains = value.gains[:, : self.at]
        discounts = 1 / torch.log2(torch.arange(gains.shape[1], dtype=torch.float64) + 2)
        if value.ideal is None:  # the first min(k, |right|) places are all right
            best = discounts.cumsum(0)[value.relevant.clamp(max=gains.shape[1]) - 1]
        else:
            best = (value.ideal[:, : self.at] * discounts).sum(1).clamp(min=1e-12)
        return (gains * discounts).sum(1) / best
