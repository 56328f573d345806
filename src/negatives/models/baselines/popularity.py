"""Popularity: every query is answered with what was taken most often."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.data.histories import Histories
from negatives.data.pairs import SparseFeatures
from negatives.models.baselines.base import CountedModel


class Popularity(CountedModel):
    """``s(q, i) = log(1 + n_i)``, the same for all queries.

    Args:
        n_queries: Number of queries.
        counts: ``(n_items,)`` how often each item is a positive in the training part.
    """

    counts: Tensor

    def __init__(self, n_queries: int, counts: Tensor) -> None:
        super().__init__(n_queries, counts.numel())
        self.register_buffer("counts", torch.log1p(counts.double()).float(), persistent=False)

    def fold_in(self, histories: Histories) -> Tensor:
        """The scores ``(rows, n_items)``, the same for everyone."""
        return self.score_all(torch.arange(histories.n_queries))

    def encode_rows(self, features: SparseFeatures) -> Tensor:
        """The scores ``(rows, n_items)``, the same for every row."""
        return self.score_all(torch.arange(features.n_rows))

    def score_all(self, queries: Tensor) -> Tensor:
        return self.counts.expand(queries.numel(), -1).clone()
