"""EASE: a linear model of a query's whole history, solved in closed form (Steck, WWW 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.baselines.sparse import Matrix, matrix_of_sets
from negatives.models.restoring import is_restoring
from negatives.types import Csr

MOST = 20_000
"""Items up to which the matrix is solved: four dense matrices of so many rows and columns, 6.4 GB."""


class Ease(CountedModel):
    """``s(u, i) = sum over j in N_u of B_ji`` with ``B = I - P diag(P)^-1`` and ``P = (X^T X + l I)^-1``.

    ``B`` is what explains the histories ``X`` best by squares, with ``B_ii = 0`` and the penalty ``l |B|^2``. The solve
    is in float32 up to the accuracy of its Cholesky factor; ``l`` of 1 and more keeps it well posed.

    Args:
        known: Known pairs of the training part.
        l2: ``l``, the penalty on large weights.

    Raises:
        ConfigError: ``l2`` is not above 0, or there are more items than :data:`MOST`.
    """

    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"l2": (100.0, 10.0, 1000.0, 30.0, 300.0)}
    weights: Tensor

    def __init__(self, known: Csr, l2: float = 100.0) -> None:
        super().__init__(known.n_rows, known.n_cols)
        if not l2 > 0:
            raise ConfigError(f"l2 is {l2}; it must be above 0")
        if known.n_cols > MOST:
            raise ConfigError(f"EASE solves a matrix of at most {MOST:,} items, and there are {known.n_cols:,}")
        self._history: Matrix = matrix_of_sets(known)
        self.register_buffer("weights", self._solved(l2))

    def _solved(self, l2: float) -> Tensor:
        """Weights ``(n_items, n_items)``."""
        n, history = self.n_items, self._history
        if is_restoring():
            return torch.empty(n, n)
        gram = torch.from_numpy((history.T @ history).toarray())
        gram.diagonal().add_(l2)
        factor = torch.linalg.cholesky(gram)
        inverse = torch.cholesky_solve(torch.eye(n), factor)  # LAPACK's inverse of a factor is slow
        scale = inverse.diagonal().clone()
        return inverse.div_(-scale).fill_diagonal_(0.0).contiguous()  # the order of sums follows the layout

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        if sizes.n_items > MOST:
            return float("inf")
        return 2e-11 * sizes.n_items**3 + 1e-7 * sizes.squares

    def extend(self, known: Csr) -> None:
        """Take ``known`` as the histories; weights stay."""
        self._history = matrix_of_sets(known)

    def fold_in(self, histories: Histories) -> Tensor:
        """The scores ``(rows, n_items)``."""
        return torch.from_numpy(matrix_of_sets(histories.known()).toarray()).to(self.weights.device) @ self.weights

    def score_all(self, queries: Tensor) -> Tensor:
        some = torch.from_numpy(self._history[queries.cpu().numpy()].toarray())
        return some.to(self.weights.device) @ self.weights
