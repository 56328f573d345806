"""Two towers with item content: content-based recommendation that also ranks items nobody has touched.

``q_i = W norm(c_i) [+ free vector of i]`` where ``c_i`` is the item's sparse content (tf-idf of its words, for
instance), and ``p_u`` is the mean over the user's items, or a free vector, or both. In the spirit of DropoutNet
(Volkovs et al., 2017) the free item vector is dropped for a random share of the items of each step, so that the
content tower alone must rank as well; cold items never have one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.data.histories import Histories
from negatives.data.pairs import SparseFeatures
from negatives.models.base import Model
from negatives.models.propagation import bipartite, matrix_of
from negatives.randomness import Purpose, generator, stream, uniforms
from negatives.types import Context, Csr


class TwoTower(Model):
    """Content tower for items, history tower for queries.

    Args:
        known: Known pairs of the training part.
        item_features: Sparse content of every item.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        free_items: Add a free vector to warm items.
        drop_free: Share of the items whose free vector is left out in a training step.
        own: Weight of the query's free vector; the rest is the mean of its items' vectors.
        seed: Seed of the initial values.
    """

    inner_product = True

    def __init__(
        self,
        known: Csr,
        item_features: SparseFeatures,
        dim: int = 128,
        similarity: str = "cosine",
        free_items: bool = False,
        drop_free: float = 0.5,
        own: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(known.n_rows, known.n_cols, dim, similarity)
        random = generator(stream(seed, Purpose.INIT))
        words = torch.empty(item_features.n_cols, dim).normal_(0, dim**-0.5, generator=random)
        self.word_table = nn.Parameter(words)
        self.item_table = nn.Parameter(torch.zeros(known.n_cols, dim)) if free_items else None
        own_vectors = torch.empty(known.n_rows, dim).normal_(0, 0.1, generator=random)
        self.query_table = nn.Parameter(own_vectors) if own else None
        self.own, self.drop_free, self.seed = own, drop_free, seed
        self._content = matrix_of(item_features.unit())
        self.extend(known)
        self._warm = torch.bincount(known.indices.long(), minlength=known.n_cols) > 0
        self._context: Context | None = None
        self._items: Tensor = torch.empty(0)
        self._sums: Tensor = torch.empty(0)

    def extend(self, known: Csr) -> None:
        """Take ``known`` as the histories of the queries; which items are warm stays as trained."""
        self._sum = bipartite(known, 0.0, 0.0)
        self._lengths = known.lengths()

    def refresh(self, context: Context | None = None) -> None:
        """Encode all items and sum them up per query; a context's positives are left out of their sums."""
        device = self.word_table.device
        self._content, self._sum = self._content.to(device), self._sum.to(device)
        self._warm, self._lengths = self._warm.to(device), self._lengths.to(device)
        self._context = context
        vectors = self._content @ self.word_table
        if self.item_table is not None:
            vectors = vectors + self.item_table * self._free_mask(context)[:, None]
        self._items = self.normalise(vectors)
        self._sums = self._sum @ self._items

    def _free_mask(self, context: Context | None) -> Tensor:
        if context is None:
            return self._warm.float()
        key = stream(self.seed, Purpose.DROPOUT, context.epoch)
        step = torch.tensor(context.step, device=self._warm.device)
        draws = uniforms(key, step, torch.arange(self.n_items, device=self._warm.device))
        return (self._warm & (draws >= self.drop_free)).float()

    def encode_queries(self, queries: Tensor) -> Tensor:
        lengths, sums = self._lengths[queries], self._sums[queries]
        if self._context is not None and queries is self._context.queries:
            lengths, sums = lengths - 1, sums - self._items[self._context.positives]
        vectors = sums / lengths.clamp(min=1)[:, None]
        if self.query_table is not None:
            vectors = vectors + self.own * self.query_table[queries]
        return self.normalise(vectors)

    def encode_items(self, items: Tensor) -> Tensor:
        return self._items[items]

    def fold_in(self, histories: Histories) -> Tensor:
        """As for queries of the training part, but without a free vector."""
        known = histories.known()
        sums = bipartite(known, 0.0, 0.0) @ self._items
        return self.normalise(sums / known.lengths().clamp(min=1)[:, None])
