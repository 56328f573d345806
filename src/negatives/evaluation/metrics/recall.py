"""Recall."""

from __future__ import annotations

from typing import final

from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Ranked


@final
class Recall(Metric[Ranked]):
    """Share of the right answers that stand among the first ``k``: ``|hits in the first k| / |right|``.

    >>> import torch
    >>> hits = torch.tensor([[True, False, True]])
    >>> value = Ranked(items=torch.tensor([[4, 5, 6]]), gains=hits, relevant=torch.tensor([4]), n_candidates=9)
    >>> Recall(3).of(value).tolist()
    [0.5]
    """

    needs = Ranked
    cut = "needed"

    def of(self, value: Ranked) -> Tensor:
        return value.hits[:, : self.at].sum(1) / value.relevant.clamp(min=1).double()
