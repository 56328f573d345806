"""Places of each query's history side by side: batches for models that read all before a place, and answer there."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import pad

from negatives import kernels
from negatives.data.histories import Histories
from negatives.randomness import Purpose, stream, uniforms
from negatives.training.feeds import Batch, Feed

WINDOW = 50
"""Places of one run at most, where nothing else is said."""


@dataclass(slots=True)
class SequenceFeed(Feed):
    """Runs of places in a new random order in each epoch, so that a batch reads few histories for many places.

    The query of a row is the owner of its place ``p``, the item the one that stands there, and ``examples`` is ``p``
    itself, an index into ``histories.items``: what a model may read is all that stands before ``p`` in the row of the
    query. Rows of a batch stand in ascending order of place. A history longer than ``window`` is cut into runs, at
    other places in each epoch; a shorter one is one run. A batch has about ``batch_size`` rows, whole runs all: within
    a run's length of it, and in an epoch of several batches never none.

    Args:
        histories: Of the training part.
        window: Places of one run at most; a batch size below it cuts runs shorter.
        first: Whether the first place of a history, before which nothing stands, is a row too.

    >>> feed = SequenceFeed(Histories.of_rows([[5, 6, 7], [4], [8, 9]], 10))
    >>> batch = feed.batch(0, 0, 0, 8)
    >>> batch.queries.tolist(), batch.items.tolist(), batch.examples.tolist()
    ([0, 0, 2], [6, 7, 9], [1, 2, 5])
    """

    histories: Histories
    window: int = WINDOW
    first: bool = False
    _begins: Tensor = field(init=False, repr=False)
    _sizes: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        skipped = 0 if self.first else 1
        self._begins = self.histories.indptr[:-1] + skipped
        self._sizes = (self.histories.lengths() - skipped).clamp(min=0)

    @property
    def rows(self) -> int:
        return int(self._sizes.sum())

    def steps(self, batch_size: int) -> int:
        """Batches of one epoch: runs are no longer than a batch, and a batch no smaller than asked for, so that each
        batch holds the beginning of a run."""
        return max(1, self.rows // batch_size)

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        length = max(1, min(self.window, batch_size))
        begins, owners, sizes, starts = self.ordered(seed, epoch, lambda key: self._runs(key, length), length)
        steps, rows = self.steps(batch_size), self.rows
        ends = torch.tensor([rows * index // steps, rows * (index + 1) // steps], device=starts.device)
        low, high = torch.searchsorted(starts, ends).tolist()
        within = torch.argsort(begins[low:high])
        begins, owners, sizes = (one[low:high][within] for one in (begins, owners, sizes))
        lead = pad(sizes.cumsum(0), (1, 0))
        places = torch.repeat_interleave(begins - lead[:-1], sizes)
        places += torch.arange(places.numel(), device=places.device)
        queries = torch.repeat_interleave(owners, sizes, output_size=places.numel())
        return Batch(queries, self.histories.items[places], places)

    def to(self, device: torch.device) -> Feed:
        return SequenceFeed(self.histories.to(device), self.window, self.first)

    def _runs(self, key: int, length: int) -> Tensor:
        """Runs of an epoch in their order, ``(4, runs)`` int64: first place, query, size, rows of those before it."""
        sizes = self._sizes
        queries = torch.arange(sizes.numel(), device=sizes.device)
        shift = (uniforms(stream(key, Purpose.SHUFFLE, 1), queries, 0) * length).long()
        shift = torch.where(sizes > length, shift, 0)  # rows that the first run lacks
        counts = -(-(sizes + shift) // length)
        owners = torch.repeat_interleave(queries, counts)
        number = torch.arange(owners.numel(), device=sizes.device) - (counts.cumsum(0) - counts)[owners]
        begin = (number * length - shift[owners]).clamp(min=0)
        end = torch.minimum((number + 1) * length - shift[owners], sizes[owners])
        order = kernels.shuffled(key, owners.numel()).to(sizes.device)
        begins, owners, many = (self._begins[owners] + begin)[order], owners[order], (end - begin)[order]
        return torch.stack([begins, owners, many, many.cumsum(0) - many])
