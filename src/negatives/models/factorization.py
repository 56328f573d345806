"""Matrix factorisation: one free vector per query and per item (Koren et al., 2009; Rendle et al., 2009).

``s(u, i) = <p_u, q_i>``, or their cosine. No bias terms: the popularity of an item shows in the length of its
vector, which the cosine leaves out on purpose.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.data.histories import Histories
from negatives.models.base import TableModel
from negatives.randomness import Purpose, generator, stream

TARGET = 2.0
"""What a known item's score should be when a query is folded in, in units of the trained scores."""
UNKNOWN = 0.003
"""What any item's square weighs beside a known item's."""
PRIOR = 0.3
"""What the distance to the mean query weighs."""
ROWS = 128
"""Queries that are folded in at a time."""


class MatrixFactorization(TableModel):
    """Two tables whose rows the training loop updates directly.

    Args:
        n_queries: Number of queries.
        n_items: Number of items.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        init: Standard deviation of the initial values; None for ``1 / sqrt(dim)`` with cosine, 0.1 with dot.
        seed: Seed of the initial values.
    """

    def __init__(
        self,
        n_queries: int,
        n_items: int,
        dim: int = 64,
        similarity: str = "dot",
        init: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(n_queries, n_items, dim, similarity)
        scale = init if init is not None else (dim**-0.5 if similarity == "cosine" else 0.1)
        random = generator(stream(seed, Purpose.INIT))
        self.query_table = nn.Parameter(torch.empty(n_queries, dim).normal_(0, scale, generator=random))
        self.item_table = nn.Parameter(torch.empty(n_items, dim).normal_(0, scale, generator=random))
        self._folds: tuple[Tensor, Tensor, Tensor, float, float] | None = None

    @torch.no_grad()
    def fold_in(self, histories: Histories) -> Tensor:
        """Least squares over the vectors ``q_i`` of the items, which stay as they are.

        ``p`` minimises ``sum over i in N (2 r - <p, q_i>)^2 + a sum over all i <p, q_i>^2 + b (r^2 / v) |p - m|^2``:
        ``m`` is the mean of the trained queries, ``v`` the variance of one of their coordinates, and ``r`` the root
        mean square of their scores with all items, so that nothing depends on the scale of the vectors. With the cosine
        all of them have unit length.

        Source: the update of one query of Hu et al., Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008.
        Differs from it in the pull to the mean query, which tells what is popular with everyone, and in the scale.
        """
        sets = histories.known()
        if sets.n_rows == 0:
            return self.item_table.new_empty(0, self.dim)
        items, squares, mean, pull, target = self._folding()
        found = []
        for first in range(0, sets.n_rows, ROWS):
            known = [items[sets.row(row).long()] for row in range(first, min(first + ROWS, sets.n_rows))]
            left = torch.stack([one.T @ one for one in known]) + squares
            right = target * torch.stack([one.sum(0) for one in known]) + pull * mean
            found.append(torch.linalg.solve(left, right))
        return self.normalise(torch.cat(found))

    def _folding(self) -> tuple[Tensor, Tensor, Tensor, float, float]:
        """What does not depend on a history: items, ``a Q^T Q + b (r^2 / v) I``, ``m``, ``b r^2 / v`` and ``2 r``."""
        if self._folds is None or self.item_table.requires_grad:
            # copied: products of views of a file may be rounded otherwise than those of memory
            items, queries = (self.normalise(table.detach().clone()) for table in (self.item_table, self.query_table))
            squares, mean = items.T @ items, queries.mean(0)
            spread = float((queries - mean).square().mean().clamp(min=1e-12))
            power = float(((queries.T @ queries) * squares).sum()) / (len(queries) * len(items))
            pull = PRIOR * max(power, 1e-12) / spread
            whole = UNKNOWN * squares + pull * torch.eye(self.dim, device=items.device)
            self._folds = items, whole, mean, pull, TARGET * power**0.5
        return self._folds
