"""Where a loop's batches come from: one pass over stored pairs, or examples made anew in each epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives import kernels
from negatives.randomness import Purpose, stream, uniforms


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

    With weights an epoch takes as many pairs as before, each on average in proportion to its weight: the number of
    times is the expected one rounded up or down at random (systematic resampling; Kitagawa, 1996). In expectation that
    is a loss whose rows are multiplied by the weights, whatever the loss and the model.

    Args:
        queries: ``(n,)`` int64.
        items: ``(n,)`` int64.
        weights: ``(n,)`` float64, not negative and not all zero, or None for equal weights.

    >>> PairFeed(torch.arange(5), torch.arange(5)).batch(0, 0, 1, 3).queries.numel()
    2
    >>> feed = PairFeed(torch.arange(3), torch.arange(3), torch.tensor([0.0, 2.0, 1.0]))
    >>> feed.batch(0, 0, 0, 3).queries.sort().values.tolist()
    [1, 1, 2]
    """

    queries: Tensor
    items: Tensor
    weights: Tensor | None = None

    @property
    def rows(self) -> int:
        return self.queries.numel()

    def batch(self, seed: int, epoch: int, index: int, batch_size: int) -> Batch:
        order = self.ordered(seed, epoch, self._shuffled)
        chosen = order[index * batch_size : (index + 1) * batch_size]
        if self.weights is None:
            return Batch(self.queries.take(chosen), self.items.take(chosen), chosen)
        first = index * batch_size
        examples = torch.arange(first, first + chosen.numel(), device=chosen.device)
        return Batch(self.queries.take(chosen), self.items.take(chosen), examples)

    def to(self, device: torch.device) -> Feed:
        weights = None if self.weights is None else self.weights.to(device)
        return PairFeed(self.queries.to(device), self.items.to(device), weights)

    def _shuffled(self, key: int) -> Tensor:
        """Positions of the pairs of an epoch."""
        device = self.queries.device
        order = kernels.shuffled(key, self.rows).to(device)
        if self.weights is None:
            return order
        offset = float(uniforms(key, torch.zeros(1, dtype=torch.int64), 1))
        taken = order[resampled(self.weights[order], offset)]
        again = kernels.shuffled(stream(key, Purpose.SHUFFLE, 1), self.rows).to(device)
        return taken[again]


def resampled(weights: Tensor, offset: float) -> Tensor:
    """Each position as often as its weight is to the mean, rounded up or down; as many as there are.

    Args:
        weights: ``(n,)`` float64, the order of which decides about the rounding.
        offset: Between 0 and 1, random: where the first of ``n`` equidistant points lies.

    Returns:
        ``(n,)`` int64, not falling.

    >>> resampled(torch.tensor([1.0, 0.0, 2.0, 1.0]), 0.5).tolist()
    [0, 2, 2, 3]
    """
    n = weights.numel()
    ends = weights.double().cumsum(0)
    points = (torch.arange(n, dtype=torch.float64, device=ends.device) + offset) * (ends[-1] / n)
    return torch.searchsorted(ends, points, right=True).clamp_max(n - 1)
