"""History tower: a query is the aggregate of its known items (FISM, Kabbur et al., 2013; SVD++, Koren, 2008).

``e_u = w p_u + |N_u|^-a sum_{j in N_u, j != i} q_j``. While training, the row's own positive ``i`` is left out of the
sum, so that the tower cannot read the answer off its input. Differs from FISM: one item table serves both sides, and a
free vector ``p_u`` may be added.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.data.histories import Histories
from negatives.models.base import Model
from negatives.models.propagation import bipartite
from negatives.models.settings import Prior
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr


class HistoryTower(Model):
    """Queries as aggregates of their items; a query that is new at serving time needs no training.

    Args:
        known: Known pairs of the training part; they are the histories.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        power: ``a``: 1 for the mean, 0.5 for the length-damped sum, 0 for the plain sum.
        own: Weight ``w`` of the free vector of the query; 0 for none.
        init: Standard deviation of the initial values.
        prior: Term of the score for an item's popularity.
        seed: Seed of the initial values.
    """

    inner_product = True

    def __init__(
        self,
        known: Csr,
        dim: int = 64,
        similarity: str = "dot",
        power: float = 0.5,
        own: float = 0.0,
        init: float = 0.1,
        prior: Prior = Prior(),
        seed: int = 0,
    ) -> None:
        super().__init__(known.n_rows, known.n_cols, dim, similarity)
        random = generator(stream(seed, Purpose.INIT))
        self.item_table = nn.Parameter(torch.empty(known.n_cols, dim).normal_(0, init, generator=random))
        self.query_table = None
        if own:
            table = torch.empty(known.n_rows, dim).normal_(0, init, generator=random)
            self.query_table = nn.Parameter(table)
        self.own, self.power, self.prior = own, power, prior
        self.extend(known)
        self._sums: Tensor = torch.empty(0)
        self._items: Tensor = torch.empty(0)
        self._context: Context | None = None

    def extend(self, known: Csr) -> None:
        """Take ``known`` as the histories."""
        self._mean = bipartite(known, 0.0, 0.0)
        self._lengths = known.lengths()
        self._prior = self.prior.column(torch.bincount(known.indices.to(torch.int64), minlength=known.n_cols))

    def refresh(self, context: Context | None = None) -> None:
        """Sum up all histories; with a context, the rows' positives are left out of theirs."""
        self._mean = self._mean.to(self.item_table.device)
        self._lengths = self._lengths.to(self.item_table.device)
        self._context = context
        self._sums = self._mean @ self.item_table
        items = self.normalise(self.item_table)
        items = items.view_as(items)  # the table itself would be kept as a second parameter
        self._items = self.prior.of_items(items, self._prior.to(items.device))

    def encode_queries(self, queries: Tensor) -> Tensor:
        lengths, sums = self._lengths[queries], self._sums[queries]
        if self._context is not None and queries is self._context.queries:
            lengths, sums = lengths - 1, sums - self.item_table[self._context.positives]
        vectors = sums * lengths.clamp(min=1).float().pow(-self.power)[:, None]
        if self.query_table is not None:
            vectors = vectors + self.own * self.query_table[queries]
        return self.prior.of_queries(self.normalise(vectors))

    def encode_items(self, items: Tensor) -> Tensor:
        return self._items[items]

    def fold_in(self, histories: Histories) -> Tensor:
        """As for queries of the training part, but without a free vector."""
        known = histories.known()
        sums = bipartite(known, 0.0, 0.0) @ self.item_table
        vectors = sums * known.lengths().clamp(min=1).float().pow(-self.power)[:, None]
        return self.prior.of_queries(self.normalise(vectors))

    def all_items(self) -> Tensor:
        return self._items
