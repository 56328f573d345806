"""Average precision."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Scored


@final
class AveragePrecision(Metric[Scored]):
    """Precision of the list that ends with each of the right; their mean is the average precision.

    Things of equal score stand in a list together.

    >>> AveragePrecision().of(Scored(torch.tensor([3.0, 1.0]), torch.tensor([2.0]))).tolist()
    [1.0, 0.6666666666666666]
    """

    needs = Scored

    def of(self, value: Scored) -> Tensor:
        right, wrong = value.right, value.wrong
        good = right.numel() - torch.searchsorted(right.sort().values, right)
        bad = wrong.numel() - torch.searchsorted(wrong.sort().values, right)
        return good.double() / (good + bad).double()
