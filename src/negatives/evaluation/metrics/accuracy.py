"""Accuracy."""

from __future__ import annotations

from typing import final

from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Decided


@final
class Accuracy(Metric[Decided]):
    """Share of each question's decisions that are right.

    >>> import torch
    >>> Accuracy().of(Decided(torch.tensor([3, 1]), torch.tensor([3, 2]))).tolist()
    [1.0, 0.0]
    """

    needs = Decided

    def of(self, value: Decided) -> Tensor:
        right = (value.said == value.true).double()
        return right if right.ndim == 1 else right.mean(1)
