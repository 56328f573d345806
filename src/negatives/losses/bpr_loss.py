"""Bayesian personalised ranking."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from negatives.kernels.hogwild import LossKernel
from negatives.losses.base import Loss
from negatives.losses.ops import masked, weighted_mean
from negatives.types import Negatives


@dataclass(slots=True)
class BPR(Loss):
    """Pairwise logistic loss: ``(1/n) sum_j w_j log(1 + exp(s_j - s⁺))``.

    ``n`` counts the allowed negatives of the row.

    Source: Rendle et al., BPR: Bayesian Personalized Ranking from Implicit Feedback, UAI 2009. The paper has one
    negative per positive.
    """

    pairwise = True

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        gaps = masked(negative - positive.unsqueeze(1), negatives.ok)
        return weighted_mean(softplus(gaps), negatives)

    def kernel(self) -> LossKernel:
        return LossKernel("bpr", mean=True)


def bpr(positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
    """Mean of :class:`BPR` over the rows; arguments as in :meth:`negatives.losses.base.Loss.rows`.

    >>> import torch
    >>> neg = Negatives(torch.zeros(1, 1, dtype=torch.int64), None, torch.ones(1, 1, dtype=torch.bool))
    >>> round(bpr(torch.zeros(1), torch.zeros(1, 1), neg).item(), 4)
    0.6931
    """
    return BPR()(positive, negative, negatives)
