"""LightGCN: embeddings smoothed over the graph of queries and items (He et al., 2020).

``E^(l+1) = Â E^(l)`` with ``Â = D^-a B D^-b`` in both directions, and the final embedding is a weighted sum of the
layers. Differs from the paper in what can be chosen: the two powers of the degrees (one half each in the paper), the
share of layer 0 (``1 / (layers + 1)`` in the paper; both after LightGCN++, Lee et al., 2024) and the cosine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.models.base import Model
from negatives.models.propagation import bipartite, smooth, transposed
from negatives.models.spectral import spectral_vectors
from negatives.models.tables import table_scores
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr, shared_pool


class LightGCN(Model):
    """Propagated embeddings.

    Args:
        known: Known pairs of the training part; they are the graph.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        layers: Number of propagation steps.
        own_power: Power of the degree of the node that receives.
        other_power: Power of the degree of the node that sends.
        own_share: Weight of layer 0; the other layers share the rest equally. None for equal weights.
        init: Standard deviation of the initial values.
        item_length: Power of the length of an item's vector in training; see :class:`Model`.
        ranking_length: The same power in the final ranking.
        seed: Seed of the initial values.
    """

    inner_product = True

    def __init__(
        self,
        known: Csr,
        dim: int = 64,
        similarity: str = "dot",
        layers: int = 3,
        own_power: float = 0.5,
        other_power: float = 0.5,
        own_share: float | None = None,
        init: float = 0.1,
        spectral: bool = True,
        item_length: float = 0.0,
        ranking_length: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(known.n_rows, known.n_cols, dim, similarity, item_length, ranking_length)
        if layers < 0:
            raise ConfigError(f"lightgcn: layers is {layers}; it must be at least 0")
        key = stream(seed, Purpose.INIT)
        if spectral:
            queries, items = spectral_vectors(bipartite(known), dim, init, key)
        else:
            random = generator(key)
            queries = torch.empty(known.n_rows, dim).normal_(0, init, generator=random)
            items = torch.empty(known.n_cols, dim).normal_(0, init, generator=random)
        self.query_table, self.item_table = nn.Parameter(queries), nn.Parameter(items)
        self._powers = own_power, other_power
        self.extend(known)
        first = 1 / (layers + 1) if own_share is None else own_share
        self.layer_weights = [first] + [(1 - first) / layers] * layers if layers else [1.0]
        self._power = self.item_length
        self._queries: Tensor = torch.empty(0)
        self._items: Tensor = torch.empty(0)

    def extend(self, known: Csr) -> None:
        """Build the graph from ``known``."""
        own, other = self._powers
        self._to_queries = bipartite(known, own, other)
        self._to_items = transposed(bipartite(known, other, own))

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

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """As :meth:`Model.score`; candidates per query never materialise their embeddings."""
        if items.dim() == 1 or shared_pool(items) is not None:
            return Model.score(self, queries, items)
        rows = torch.arange(queries.numel(), device=queries.device)
        return table_scores(self.encode_queries(queries), self.scaled_items(self._items, self._power), rows, items)
