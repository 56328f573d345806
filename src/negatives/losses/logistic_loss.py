"""Logistic loss with negative sampling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from negatives.kernels.hogwild import LossKernel
from negatives.losses.base import Loss
from negatives.losses.ops import masked, weighted_mean, weighted_sum
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class Logistic(Loss):
    """Negative sampling of word2vec: ``-log σ(s⁺ + margin) - sum_j w_j log σ(-s_j - margin)``.

    The binary cross-entropy of SASRec, with any number of negatives. With ``mean`` the sum is divided by the number of
    allowed negatives: together with the weights of :class:`negatives.selection.SelfAdversarial` that is the loss of
    RotatE.

    Args:
        margin: Added to all scores, ``gamma`` of RotatE.
        mean: Average the negatives instead of adding them up.

    Source: Mikolov et al., Distributed Representations of Words and Phrases, NIPS 2013; Sun et al., RotatE,
    ICLR 2019.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"margin": Range(0.25, 4.0, relative=True)}
    pairwise = True
    pointwise = True

    margin: float = 0.0
    mean: bool = False

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        pulled = softplus(-positive - self.margin) * negatives.ok.any(1)
        shifted = negative if self.margin == 0.0 else negative + self.margin
        reduce = weighted_mean if self.mean else weighted_sum
        return pulled + reduce(softplus(masked(shifted, negatives.ok)), negatives)

    def kernel(self) -> LossKernel:
        return LossKernel("logistic", self.margin, self.mean)

    def grouped(self, positive: Tensor, negative: Tensor, negatives: Negatives, owner: Tensor) -> Tensor:
        """See :meth:`Loss.grouped`; one sum over the negatives for each group."""
        pulled = softplus(-positive - self.margin) * negatives.ok.any(1)[owner]
        shifted = negative if self.margin == 0.0 else negative + self.margin
        reduce = weighted_mean if self.mean else weighted_sum
        return pulled + reduce(softplus(masked(shifted, negatives.ok)), negatives)[owner]


def logistic(
    positive: Tensor, negative: Tensor, negatives: Negatives, margin: float = 0.0, mean: bool = False
) -> Tensor:
    """Mean of :class:`Logistic` over the rows."""
    return Logistic(margin, mean)(positive, negative, negatives)
