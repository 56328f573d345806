"""A pool that a batch shares: scored by matrix products in blocks of rows, differentiated, and multiplied back.

The scores of one block are held at a time, never all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor

from negatives.losses.base import Loss
from negatives.sampler.core import OBSERVED_ROWS
from negatives.training.engines.gradients import differentiate_pool_
from negatives.types import Negatives, finite

CELLS = 1 << 19
"""Scores with a shared pool that PyTorch differentiates at a time: they stay in the cache."""
BLOCK = 1 << 22
"""Scores with a shared pool that are held at a time."""
TINY = 1e-9

Spend = Callable[[str, float], float]
"""Adds the time since a start to a part of the step; gives the time now."""


@dataclass(slots=True)
class PoolProducts:
    """Inner products, or Euclidean distances by ``|v - t|^2 = |v|^2 + |t|^2 - 2 <v, t>``.

    Args:
        vectors: ``(n, d)`` query vectors.
        pool: ``(m, d)`` vectors of the pool.
        half: Multiply in bfloat16.
        euclidean: Scores are ``-|v - t|``.

    Raises:
        NonFiniteScores: A vector holds NaN or infinity.
    """

    vectors: Tensor
    pool: Tensor
    half: bool
    euclidean: bool = False
    per_row: Tensor = field(init=False)
    grad_pool: Tensor = field(init=False)
    _low: tuple[Tensor, Tensor] = field(init=False)
    _squares: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    _distances: Tensor = field(init=False)

    def __post_init__(self) -> None:
        finite(self.vectors, "vectors of queries")  # a kernel that looks for the largest score passes NaN over
        finite(self.pool, "vectors of items")
        self.per_row, self.grad_pool = torch.empty_like(self.vectors), torch.zeros_like(self.pool)
        half = self.half
        self._low = (self.vectors.bfloat16(), self.pool.bfloat16()) if half else (self.vectors, self.pool)
        if self.euclidean:
            self._squares = self.vectors.square().sum(1, keepdim=True), self.pool.square().sum(1)

    def pairs(self, items: Tensor) -> Tensor:
        """Scores ``(n,)`` with one item each, ``(n, d)``."""
        return -(self.vectors - items).norm(dim=1) if self.euclidean else (self.vectors * items).sum(1)

    def scores(self, rows: slice) -> Tensor:
        """Scores ``(rows, m)`` of some vectors with the whole pool; bfloat16 for inner products if ``half``."""
        product = self._low[0][rows] @ self._low[1].T
        if self._squares is None:
            return product
        squares = self._squares[0][rows] + self._squares[1]
        self._distances = squares.add_(product, alpha=-2).clamp_(min=TINY).sqrt_()
        return -self._distances

    def taken(self, scores: Tensor) -> Tensor:
        """As :meth:`scores`, for vectors whose scores ``(rows, m)`` are known already; a copy of them."""
        if self._squares is not None:
            self._distances = (-scores).clamp_(min=TINY)
        return scores.clone()

    def backward(self, rows: slice, grad: Tensor) -> None:
        """Take in the gradient ``(rows, m)`` of what :meth:`scores` gave last for these vectors."""
        if self._squares is not None:
            grad = grad / self._distances
            self.grad_pool -= grad.sum(0)[:, None] * self.pool
        low = grad.bfloat16() if self.half else grad
        self.per_row[rows] = low @ self._low[1]
        self.grad_pool += low.T @ self._low[0][rows]
        if self._squares is not None:
            self.per_row[rows] -= grad.sum(1, keepdim=True) * self.vectors[rows]

    def pairs_backward(self, items: Tensor, scores: Tensor, grad: Tensor) -> Tensor:
        """Take in the gradient ``(n,)`` of :meth:`pairs`; gives that of the items ``(n, d)``."""
        if not self.euclidean:
            self.per_row.addcmul_(grad[:, None], items)
            return grad[:, None] * self.vectors
        along = (grad / (-scores).clamp(min=TINY))[:, None] * (self.vectors - items)
        self.per_row -= along
        return along


@dataclass(frozen=True, slots=True)
class Blocks:
    """Which vectors are scored together, and for which rows of the batch.

    Args:
        parts: Ranges of vectors and of their rows.
        owner: ``(rows,)`` int64 vector of each row, ascending; None where every row has a vector of its own.
    """

    parts: Sequence[tuple[slice, slice]]
    owner: Tensor | None = None

    @staticmethod
    def of_rows(rows: int, size: int) -> Blocks:
        """Blocks of ``size`` rows with vectors of their own."""
        some = [slice(at, at + size) for at in range(0, rows, size)]
        return Blocks([(one, one) for one in some])


@dataclass(frozen=True, slots=True)
class PoolPass:
    """What a batch's way through a shared pool gives, beside the gradients that its products hold.

    Args:
        total: The loss, summed over the rows.
        positive: ``(rows,)`` scores of the positives.
        of_positive: ``(rows,)`` their gradient.
        seen: ``(seen, m)`` scores of the first rows, on which signals are measured.
    """

    total: Tensor
    positive: Tensor
    of_positive: Tensor
    seen: Tensor


Gradient = Callable[[Tensor, Tensor, slice, slice], tuple[Tensor, Tensor, Tensor]]
"""From scores of a block's positives ``(rows,)`` and of its vectors with the pool ``(vectors, m)``, and from the ranges
of its vectors and rows, to the summed loss and both gradients. It may use the scores up."""


def by_blocks(
    products: PoolProducts,
    positive: Tensor,
    blocks: Blocks,
    gradient: Gradient,
    spend: Spend,
    known: Tensor | None = None,
) -> PoolPass:
    """Score, differentiate and multiply back, block by block.

    Args:
        products: Scores vectors with the pool, and takes their gradients in.
        positive: ``(rows,)`` scores of the positives.
        blocks: What is done together.
        gradient: Differentiates one block.
        spend: Notes the time.
        known: ``(rows, m)`` scores, if the sampler has them already and every row has its own vector.
    """
    of_positive, seen = torch.empty_like(positive), []
    total = torch.zeros((), device=positive.device)
    for some, rows in blocks.parts:
        start = perf_counter()
        scores = products.scores(some) if known is None else products.taken(known[rows])
        if rows.start < OBSERVED_ROWS:
            first = slice(rows.start, min(rows.stop, OBSERVED_ROWS))
            mine = slice(first.stop - first.start) if blocks.owner is None else blocks.owner[first] - some.start
            seen.append(scores[mine].to(torch.float32, copy=True))
        start = spend("forward", start)
        losses, of_positive[rows], grad = gradient(positive[rows], scores, some, rows)
        total += losses
        start = spend("loss", start)
        products.backward(some, grad)
        spend("backward", start)
    return PoolPass(total, positive, of_positive, torch.cat(seen))


def through_pool(
    loss: Loss, products: PoolProducts, good: Tensor, negatives: Negatives, spend: Spend, known: Tensor | None = None
) -> tuple[PoolPass, Tensor]:
    """:func:`by_blocks` where every row has its own vector, and the positives' gradients.

    Args:
        loss: What is minimised.
        products: Scores the batch's vectors with the pool.
        good: ``(rows, d)`` vectors of the positives.
        negatives: What the sampler returned.
        spend: Notes the time.
        known: ``(rows, m)`` scores, if the sampler has them already.

    Returns:
        The pass, and the gradient of ``good`` ``(rows, d)``; those of the vectors and of the pool are in ``products``.
    """
    m = len(products.pool)

    def gradient(positive: Tensor, scores: Tensor, some: slice, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        part = negatives.take(rows)
        return *differentiate_pool_(loss, positive, scores, part, max(1, CELLS // m)), scores

    start = perf_counter()
    positive = products.pairs(good)
    spend("forward", start)
    blocks = Blocks.of_rows(len(good), max(1, BLOCK // m))
    done = by_blocks(products, positive, blocks, gradient, spend, known)
    start = perf_counter()
    of_good = products.pairs_backward(good, positive, done.of_positive)
    spend("backward", start)
    return done, of_good
