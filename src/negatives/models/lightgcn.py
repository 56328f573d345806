"""LightGCN: embeddings smoothed over the graph of queries and items (He et al., 2020).

``E^(l+1) = Â E^(l)`` with ``Â = D^-a B D^-b`` in both directions, and the final embedding is a weighted sum of the
layers. Differs from the paper in what can be chosen: the two powers of the degrees (one half each in the paper), the
share of layer 0 (``1 / (layers + 1)`` in the paper; both after LightGCN++, Lee et al., 2024), the cosine, a term for
popularity, and whether a row's own edge takes part in its encodings while training (it does in the paper).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.data.histories import Histories
from negatives.models.base import Model
from negatives.models.propagation import bipartite, received, smooth
from negatives.models.settings import ItemLength, Prior, Smoothing, Start
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
        prior: Term of the score for an item's popularity.
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
        prior: Prior = Prior(),
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
        self.smoothing, self.layer_weights, self.prior = smoothing, smoothing.weights(), prior
        self.extend(known)
        self._power = self.item_length
        self._queries, self._items = queries, items
        self._sent = queries, items
        self._context: Context | None = None

    def extend(self, known: Csr) -> None:
        """Build the graph from ``known``."""
        own, other = self.smoothing.own_power, self.smoothing.other_power
        self._to_queries = bipartite(known, own, other)
        self._to_items = bipartite(known, other, own).transposed()
        counts = torch.bincount(known.indices.to(torch.int64), minlength=known.n_cols)
        self._degrees = known.lengths(), counts
        self._prior = self.prior.column(counts)

    def refresh(self, context: Context | None = None) -> None:
        """Propagate; all encodings until the next refresh read the result."""
        device = self.query_table.device
        self._to_queries, self._to_items = self._to_queries.to(device), self._to_items.to(device)
        self._degrees = self._degrees[0].to(device), self._degrees[1].to(device)
        self._prior = self._prior.to(device)
        self._power = self.ranking_length if context is None else self.item_length
        self._context = context
        first, *rest = self.layer_weights
        self._queries, self._items = self.query_table * first, self.item_table * first
        if rest:
            self._sent = smooth(self._to_queries, self._to_items, rest, self.query_table, self.item_table)
            self._queries = self._to_queries @ self._sent[1] + self._queries
            self._items = self._to_items @ self._sent[0] + self._items

    def encode_queries(self, queries: Tensor) -> Tensor:
        vectors, context = self._queries[queries], self._context
        if self.smoothing.drops_edges and context is not None and queries is context.queries:
            own, other = self._degrees[0][queries], self._degrees[1][context.positives]
            vectors = vectors - self.smoothing.own_edge(self._sent[1][context.positives], own, other)
        return self.prior.of_queries(self.normalise(vectors))

    def encode_items(self, items: Tensor) -> Tensor:
        vectors, context = self._items[items], self._context
        if self.smoothing.drops_edges and context is not None and items is context.positives:
            own, other = self._degrees[1][items], self._degrees[0][context.queries]
            vectors = vectors - self.smoothing.own_edge(self._sent[0][context.queries], own, other)
        return self.prior.of_items(self.scaled_items(vectors, self._power), self._prior[items])

    def fold_in(self, histories: Histories) -> Tensor | None:
        """What a new node receives from its items on the last hop; it has no vector of its own, and sends nothing."""
        if not self.smoothing.layers:
            return None
        heard = received(histories.known(), self._degrees[1], self.smoothing.own_power, self.smoothing.other_power)
        return self.prior.of_queries(self.normalise(heard @ self._sent[1]))

    def all_items(self) -> Tensor:
        return self.prior.of_items(self.scaled_items(self._items, self._power), self._prior)
