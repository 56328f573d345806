"""Batches of co-occurrence cells, in both directions."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from negatives.data.cooccurrence import Cooccurrence
from negatives.randomness import permutation
from negatives.training.feeds import Batch, Feed

RUN = 4096
"""Cells that stay together; their order in the table has nothing to do with the words."""


@dataclass(slots=True)
class CellFeed(Feed):
    """Cells ``a, b`` and turned ``b, a``, in runs of 4,096 in random order; ``examples`` is the cell's number.

    Args:
        cells: What was counted.
    """

    cells: Cooccurrence

    @property
    def rows(self) -> int:
        return 2 * self.cells.counts.numel()

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        runs = -(-self.rows // RUN)
        order = self.ordered(seed, epoch, lambda key: permutation(key, runs))
        # a batch is a range of the shuffled rows; the short last run goes to the end
        last = (order == runs - 1).nonzero()[0, 0]
        order = torch.cat([order[:last], order[last + 1 :], order[last : last + 1]])
        places = torch.arange(index * batch_size, min((index + 1) * batch_size, self.rows))
        examples = order[places // RUN] * RUN + places % RUN
        n = self.cells.counts.numel()
        cell, turned = examples % n, examples >= n
        left, right = self.cells.rows[cell].long(), self.cells.cols[cell].long()
        return Batch(torch.where(turned, right, left), torch.where(turned, left, right), examples)
