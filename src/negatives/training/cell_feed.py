"""Batches of co-occurrence cells, in both directions."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.data.cooccurrence import Cooccurrence
from negatives.randomness import Purpose, permutation, stream
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
    _order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), init=False, repr=False)
    _order_of: tuple[int, int] | None = field(default=None, init=False, repr=False)

    @property
    def rows(self) -> int:
        return 2 * self.cells.counts.numel()

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        runs = -(-self.rows // RUN)
        if self._order_of != (seed, epoch):
            self._order = permutation(stream(seed, Purpose.SHUFFLE, epoch), runs)
            self._order_of = seed, epoch
        # a batch is a range of the shuffled rows; the short last run goes to the end
        last = (self._order == runs - 1).nonzero()[0, 0]
        order = torch.cat([self._order[:last], self._order[last + 1 :], self._order[last : last + 1]])
        places = torch.arange(index * batch_size, min((index + 1) * batch_size, self.rows))
        examples = order[places // RUN] * RUN + places % RUN
        n = self.cells.counts.numel()
        cell, turned = examples % n, examples >= n
        left, right = self.cells.rows[cell].long(), self.cells.cols[cell].long()
        return Batch(torch.where(turned, right, left), torch.where(turned, left, right), examples)
