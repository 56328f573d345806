"""Scores of query vectors with a shared pool by matrix products, and the gradients of both sides."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

TINY = 1e-9


@dataclass(slots=True)
class PoolProducts:
    """Inner products, or Euclidean distances by ``|v - t|^2 = |v|^2 + |t|^2 - 2 <v, t>``.

    Args:
        vectors: ``(rows, d)`` query vectors.
        pool: ``(m, d)`` vectors of the pool.
        half: Multiply in bfloat16.
        euclidean: Scores are ``-|v - t|``.
    """

    vectors: Tensor
    pool: Tensor
    half: bool
    euclidean: bool
    per_row: Tensor = field(init=False)
    grad_pool: Tensor = field(init=False)
    _low: tuple[Tensor, Tensor] = field(init=False)
    _squares: tuple[Tensor, Tensor] | None = field(default=None, init=False)
    _distances: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.per_row, self.grad_pool = torch.empty_like(self.vectors), torch.zeros_like(self.pool)
        half = self.half
        self._low = (self.vectors.bfloat16(), self.pool.bfloat16()) if half else (self.vectors, self.pool)
        if self.euclidean:
            self._squares = self.vectors.square().sum(1, keepdim=True), self.pool.square().sum(1)

    def pairs(self, items: Tensor) -> Tensor:
        """Scores ``(rows,)`` with one item each, ``(rows, d)``."""
        return -(self.vectors - items).norm(dim=1) if self.euclidean else (self.vectors * items).sum(1)

    def scores(self, rows: slice) -> Tensor:
        """Scores ``(n, m)`` of some rows with the whole pool; bfloat16 for inner products if ``half``."""
        product = self._low[0][rows] @ self._low[1].T
        if self._squares is None:
            return product
        squares = self._squares[0][rows] + self._squares[1]
        self._distances = squares.add_(product, alpha=-2).clamp_(min=TINY).sqrt_()
        return -self._distances

    def taken(self, scores: Tensor) -> Tensor:
        """As :meth:`scores`, for rows whose scores ``(n, m)`` are known already; a copy of them."""
        if self._squares is not None:
            self._distances = (-scores).clamp_(min=TINY)
        return scores.clone()

    def backward(self, rows: slice, grad: Tensor) -> None:
        """Take in the gradient ``(n, m)`` of what :meth:`scores` gave last for these rows."""
        if self._squares is not None:
            grad = grad / self._distances
            self.grad_pool -= grad.sum(0)[:, None] * self.pool
        low = grad.bfloat16() if self.half else grad
        self.per_row[rows] = low @ self._low[1]
        self.grad_pool += low.T @ self._low[0][rows]
        if self._squares is not None:
            self.per_row[rows] -= grad.sum(1, keepdim=True) * self.vectors[rows]

    def pairs_backward(self, items: Tensor, scores: Tensor, grad: Tensor) -> Tensor:
        """Take in the gradient ``(rows,)`` of :meth:`pairs`; gives that of the items ``(rows, d)``."""
        if not self.euclidean:
            self.per_row.addcmul_(grad[:, None], items)
            return grad[:, None] * self.vectors
        along = (grad / (-scores).clamp(min=TINY))[:, None] * (self.vectors - items)
        self.per_row -= along
        return along


__all__ = ["PoolProducts"]
