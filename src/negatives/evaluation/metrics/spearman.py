"""Spearman's rank correlation."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from negatives.evaluation.metrics.base import Metric
from negatives.evaluation.values import Rated


def ranks(values: Tensor) -> Tensor:
    """Ranks from one ``(n,)`` float64; equal values share the mean of theirs.

    >>> ranks(torch.tensor([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    found: Tensor = (ends - (counts.double() - 1) / 2)[inverse]
    return found


@final
class Spearman(Metric[Rated]):
    """``z_a z_b`` of each pair, with scores and ratings as ranks of mean 0 and variance 1; 0 where one is constant.

    Their mean is Spearman's correlation; they are what paired tests compare.
    """

    needs = Rated

    def of(self, value: Rated) -> Tensor:
        return _standardised(ranks(value.scores)) * _standardised(ranks(value.ratings))


def _standardised(values: Tensor) -> Tensor:
    centred = values - values.mean()
    return centred / centred.square().mean().sqrt().clamp(min=1e-12)
