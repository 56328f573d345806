"""Rank-biased precision."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from negatives.evaluation import Metric
from negatives.evaluation.values import Ranked


@final
class RBP(Metric[Ranked]):
    """What a reader gains who goes on from each place of the list to the next with chance ``p``.

    ``(1 - p) sum_{r <= k} p^(r - 1) hit_r``

    Source: Moffat and Zobel, Rank-biased precision for measurement of retrieval effectiveness, TOIS 2008.

    >>> value = Ranked(items=torch.tensor([[4, 2, 7]]), gains=torch.tensor([[True, False, True]]),
    ...                relevant=torch.tensor([2]), n_candidates=9)
    >>> round(RBP(3).of(value).item(), 3), round(RBP(2).of(value).item(), 3)
    (0.328, 0.2)
    """

    needs = Ranked
    cut = "optional"
    persistence: ClassVar[float] = 0.8

    def of(self, value: Ranked) -> Tensor:
        """See :meth:`Metric.of`."""
        hits = value.hits[:, : self.at].double()
        weights = (1 - self.persistence) * self.persistence ** torch.arange(hits.shape[1], dtype=torch.float64)
        return (hits * weights).sum(1)


__all__ = ["RBP"]
