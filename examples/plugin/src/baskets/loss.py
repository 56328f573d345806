"""The hinge, squared."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from negatives.losses import Loss
from negatives.losses.ops import check_above, masked, weighted_mean
from negatives.types import Negatives


@dataclass(slots=True)
class SquaredHinge(Loss):
    """``(1/n) sum_j w_j max(0, margin + s_j - s⁺)²``, where ``n`` counts the allowed negatives of the row.

    It has no kernel: every engine differentiates :meth:`rows` by PyTorch.

    Source: Chapelle and Keerthi, Efficient algorithms for ranking with SVMs, Information Retrieval, 2010.

    Args:
        margin: By how much a positive must lead.

    Raises:
        ConfigError: The margin is not above zero.
    """

    pairwise = True
    margin: float = 1.0

    def __post_init__(self) -> None:
        check_above("margin", self.margin)

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        """See :meth:`Loss.rows`."""
        gaps = masked(self.margin + negative - positive.unsqueeze(1), negatives.ok)
        return weighted_mean(gaps.clamp(min=0).square(), negatives)


__all__ = ["SquaredHinge"]
