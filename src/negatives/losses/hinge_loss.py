"""Margin ranking loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu

from negatives.kernels.hogwild import LossKernel
from negatives.losses.base import Loss
from negatives.losses.ops import check_at_least, masked, weighted_mean
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class Hinge(Loss):
    """Margin ranking: ``(1/n) sum_j w_j max(0, margin - s⁺ + s_j)``.

    ``n`` counts the allowed negatives of the row.

    Args:
        margin: Gap in scores from which a pair costs nothing.

    Source: Weston et al., WSABIE, IJCAI 2011 (there weighted by rank); Bordes et al., TransE, NIPS 2013.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"margin": Range(0.25, 4.0, relative=True)}
    pairwise = True

    margin: float = 1.0

    def __post_init__(self) -> None:
        check_at_least("margin", self.margin)

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        gaps = masked(negative - (positive - self.margin).unsqueeze(1), negatives.ok)
        return weighted_mean(relu(gaps), negatives)

    def kernel(self) -> LossKernel:
        return LossKernel("hinge", self.margin, mean=True)


def hinge(positive: Tensor, negative: Tensor, negatives: Negatives, margin: float = 1.0) -> Tensor:
    """Mean of :class:`Hinge` over the rows."""
    return Hinge(margin)(positive, negative, negatives)
