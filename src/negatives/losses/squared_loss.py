"""Squared loss on what is left to explain, one-sided for negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu

from negatives.kernels.hogwild import LossKernel
from negatives.losses.base import Loss
from negatives.losses.ops import check_at_least, masked, weighted_sum
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class Squared(Loss):
    """``(s⁺)² / 2 + zeros sum_j w_j max(0, s_j)² / 2``, where scores are residuals: what a model gives less its target.

    A negative may lie below its target for nothing, as zero cells of co-occurrence may.

    Args:
        zeros: Weight of the negatives; 0 leaves them out.

    Source: GloVe, Pennington et al., EMNLP 2014, for the positives; one-sided zero cells as in Swivel, Shazeer et al.,
    2016, there with a soft bound.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"zeros": Range(0.1, 10.0, relative=True)}
    zeros: float = 0.1

    def __post_init__(self) -> None:
        check_at_least("zeros", self.zeros)

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        over = relu(masked(negative, negatives.ok)).square()
        return 0.5 * (positive.square() * negatives.ok.any(1) + self.zeros * weighted_sum(over, negatives))

    def kernel(self) -> LossKernel:
        return LossKernel("squared", zeros=self.zeros)


def squared(positive: Tensor, negative: Tensor, negatives: Negatives, zeros: float = 0.1) -> Tensor:
    """Mean of :class:`Squared` over the rows."""
    return Squared(zeros)(positive, negative, negatives)
