"""Mean reciprocal rank."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Answered


@final
class MRR(Metric[Answered]):
    """``1 / rank`` of the first right answer; 0 where it is not found, or not among the first ``k``.

    >>> from negatives.evaluation.values import Ranks
    >>> MRR().of(Ranks(torch.tensor([1.0, 4.0]))).tolist(), MRR(3).of(Ranks(torch.tensor([1.0, 4.0]))).tolist()
    ([1.0, 0.25], [1.0, 0.0])
    """

    needs = Answered
    cut = "optional"

    @property
    def top(self) -> int:
        """See :attr:`Metric.top`; one, for of a first place half is lost at the second."""
        return 1

    def of(self, value: Answered) -> Tensor:
        ranks = value.first
        return 1 / ranks if self.at is None else torch.where(ranks <= self.at, 1 / ranks, 0.0)
