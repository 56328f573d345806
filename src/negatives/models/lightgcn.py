"""LightGCN: embeddings smoothed over the graph of queries and items (He et al., 2020).

``E^(l+1) = Â E^(l)`` with ``Â = D^-a B D^-b`` in both directions, and the final embedding is a weighted sum of the
layers. Differs from the paper in what can be chosen: the two powers of the degrees (one half each in the paper), the
share of layer 0 (``1 / (layers + 1)`` in the paper; both after LightGCN++, Lee et al., 2024) and the cosine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.models.base import Model
from negatives.models.propagation import bipartite, smooth
from negatives.models.settings import ItemLength, Smoothing, Start
from negatives.models.spectral import spectral_vectors
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr


class LightGCN(Model):
    """Propagated embeddings.

    Args:
        known: Known pairs of the training part; they are the graph.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        smoothing: Layers of the propagation.
        lengths: Powers of the length of an item's vector.
        start: Initial values.
        seed: Seed of the initial values.
    """

    inner_product = True

    def __init__(
        self,
        known: Csr,
        dim: int = 64,
        similarity: str = "dot",
        smoothing: Smoothing = Smoothing(),
        lengths: ItemLength = ItemLength(),
        start: Start = Start(),
        seed: int = 0,
    ) -> None:
        super().__init__(known.n_rows, known.n_cols, dim, similarity, lengths.item_length, lengths.ranking_length)
        key = stream(seed, Purpose.INIT)
        if start.spectral:
            queries, items = spectral_vectors(bipartite(known), dim, start.init, key)
        else:
            random = generator(key)
            queries = torch.empty(known.n_rows, dim).normal_(0, start.init, generator=random)
            items = torch.empty(known.n_cols, dim).normal_(0, start.init, generator=random)
        self.query_table, self.item_table = nn.Parameter(queries), nn.Parameter(items)
        self.smoothing, self.layer_weights = smoothing, smoothing.weights()
        self.extend(known)
        self._power = self.item_length
        self._queries: Tensor = torch.empty(0)
        self._items: Tensor = torch.empty(0)

    def extend(self, known: Csr) -> None:
        """Build the graph from ``known``."""
        own, other = self.smoothing.own_power, self.smoothing.other_power
        self._to_queries = bipartite(known, own, other)
        self._to_items = bipartite(known, other, own).transposed()

    def refresh(self, context: Context | None = None) -> None:
        """Propagate; all encodings until the next refresh read the result."""
        self._to_queries = self._to_queries.to(self.query_table.device)
        self._to_items = self._to_items.to(self.query_table.device)
        self._power = self.ranking_length if context is None else self.item_length
        self._queries, self._items = smooth(
            self._to_queries, self._to_items, self.layer_weights, self.query_table, self.item_table
        )

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.normalise(self._queries[queries])

    def encode_items(self, items: Tensor) -> Tensor:
        return self.scaled_items(self._items[items], self._power)

    def all_items(self) -> Tensor:
        return self.scaled_items(self._items, self._power)
