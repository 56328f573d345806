"""Hit rate."""

from __future__ import annotations

from typing import final

from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Answered


@final
class HitRate(Metric[Answered]):
    """1 where the first right answer is among the first ``k``, else 0.

    Papers on knowledge graphs call it ``hits@k``, papers on recommendation ``hr@k``; both names are rows.

    >>> import torch
    >>> from negatives.evaluation.values import Ranks
    >>> HitRate(3).of(Ranks(torch.tensor([1.0, 4.0]))).tolist()
    [1.0, 0.0]
    """

    needs = Answered
    cut = "needed"

    def of(self, value: Answered) -> Tensor:
        assert self.at is not None
        return (value.first <= self.at).double()
