"""Cosine contrastive loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu

from negatives.losses.base import Loss
from negatives.losses.ops import check_at_least, masked, weighted_mean
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class CosineContrastive(Loss):
    """Cosine contrastive loss of SimpleX: ``(1 - s⁺) + (weight/n) sum_j w_j max(0, s_j - margin)``.

    Scores are meant to be cosines. ``n`` counts the allowed negatives of the row.

    Args:
        margin: Cosine below which a negative costs nothing.
        weight: Weight of the negative part, ``mu`` in the paper.

    Source: Mao et al., SimpleX: A Simple and Strong Baseline for Collaborative Filtering, CIKM 2021.
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "margin": Range(0.1, 1.0, log=False),
        "weight": Range(0.1, 10.0, relative=True),
    }
    margin: float = 0.9
    weight: float = 150.0

    def __post_init__(self) -> None:
        check_at_least("margin", self.margin, -1.0)
        check_at_least("weight", self.weight)

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        pushed = weighted_mean(relu(masked(negative - self.margin, negatives.ok)), negatives)
        return (1.0 - positive) * negatives.ok.any(1) + self.weight * pushed


def ccl(positive: Tensor, negative: Tensor, negatives: Negatives, margin: float = 0.9, weight: float = 150.0) -> Tensor:
    """Mean of :class:`CosineContrastive` over the rows."""
    return CosineContrastive(margin, weight)(positive, negative, negatives)
