"""Pairs of one query side by side: rows in a new random order in each epoch, each with all its items."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives import kernels
from negatives.training.feeds import Batch, Feed
from negatives.types import Csr


@dataclass(slots=True)
class GroupedFeed(Feed):
    """Stored pairs, shuffled by query, so that a batch encodes few queries for many pairs.

    Args:
        positives: Items of each query; queries without items give no example.

    >>> feed = GroupedFeed(Csr.from_pairs(torch.tensor([0, 0, 2]), torch.tensor([1, 3, 2]), 3, 4))
    >>> sorted(feed.batch(0, 0, 0, 9).queries.tolist())
    [0, 0, 2]
    """

    positives: Csr
    _owners: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows = torch.arange(self.positives.n_rows, device=self.positives.indptr.device)
        self._owners = torch.repeat_interleave(rows, self.positives.lengths())

    @property
    def rows(self) -> int:
        return self.positives.nnz

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        examples = self.ordered(seed, epoch, self._shuffled)[index * batch_size : (index + 1) * batch_size]
        return Batch(self._owners[examples], self.positives.indices[examples].long(), examples)

    def to(self, device: torch.device) -> Feed:
        return GroupedFeed(self.positives.to(device))

    def _shuffled(self, key: int) -> Tensor:
        """Positions of all pairs, query by query."""
        device = self._owners.device
        queries = kernels.shuffled(key, self.positives.n_rows).to(device)
        lengths = self.positives.lengths()[queries]
        first = torch.repeat_interleave(self.positives.indptr[queries] - (lengths.cumsum(0) - lengths), lengths)
        return first + torch.arange(self.rows, device=device)
