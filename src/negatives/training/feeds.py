"""Where a loop's batches come from: one pass over stored pairs, or examples made anew in each epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives import kernels
from negatives.randomness import Purpose, stream


@dataclass(frozen=True, slots=True)
class Batch:
    """The positive pairs of one step.

    Args:
        queries: ``(rows,)`` int64.
        items: ``(rows,)`` int64, the right answer of each row.
        examples: ``(rows,)`` int64, a number that names each row within its epoch; the random draws depend on it.
    """

    queries: Tensor
    items: Tensor
    examples: Tensor


@dataclass(slots=True)
class Feed(ABC):
    """Gives the batch at any place of any epoch.

    A feed is a function of its arguments alone, so that a resumed run sees what the interrupted one would have
    seen. What it keeps between calls is only there to save time.
    """

    _order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), init=False, repr=False)
    _order_of: tuple[int, ...] | None = field(default=None, init=False, repr=False)

    @property
    @abstractmethod
    def rows(self) -> int:
        """Examples of one epoch."""

    @abstractmethod
    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        """The batch at place ``index`` of an epoch; the last one of an epoch may be shorter."""

    def steps(self, batch_size: int) -> int:
        """Batches of one epoch."""
        return -(-self.rows // batch_size)

    def ordered(self, seed: int, epoch: int, make: Callable[[int], Tensor], *more: int) -> Tensor:
        """The order of an epoch, kept until another is asked for.

        Args:
            seed: Seed of the run.
            epoch: Number of the epoch.
            make: Makes the order from the key of the epoch.
            more: What else the order depends on.
        """
        if self._order_of != (seed, epoch, *more):
            self._order = make(stream(seed, Purpose.SHUFFLE, epoch))
            self._order_of = seed, epoch, *more
        return self._order

    def to(self, device: torch.device) -> Feed:
        """The same feed with its data on another device; feeds that make their examples stay where they are."""
        return self


@dataclass(slots=True)
class PairFeed(Feed):
    """Stored pairs in a new random order in each epoch.

    Args:
        queries: ``(n,)`` int64.
        items: ``(n,)`` int64.

    >>> PairFeed(torch.arange(5), torch.arange(5)).batch(0, 0, 1, 3).queries.numel()
    2
    """

    queries: Tensor
    items: Tensor

    @property
    def rows(self) -> int:
        return self.queries.numel()

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        order = self.ordered(seed, epoch, lambda key: kernels.shuffled(key, self.rows).to(self.queries.device))
        examples = order[index * batch_size : (index + 1) * batch_size]
        return Batch(self.queries.take(examples), self.items.take(examples), examples)

    def to(self, device: torch.device) -> Feed:
        return PairFeed(self.queries.to(device), self.items.to(device))
