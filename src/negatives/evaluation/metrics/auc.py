"""Area under the ROC curve."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Scored


@final
class AUC(Metric[Scored]):
    """Share of the wrong below each of the right, ties by half; their mean is the area under the ROC curve.

    >>> AUC().of(Scored(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0]))).tolist()
    [0.25, 1.0]
    """

    needs = Scored

    def of(self, value: Scored) -> Tensor:
        ordered = value.wrong.sort().values
        below = torch.searchsorted(ordered, value.right), torch.searchsorted(ordered, value.right, right=True)
        return (below[0] + below[1]).double() / (2 * value.wrong.numel())
