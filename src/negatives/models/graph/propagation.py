"""LightGCN's propagation over one set of nodes: free vectors, smoothed over the graph (He et al., 2020).

``E' = sum_l w_l Â^l E`` with ``Â = D^-a A D^-b``, both powers one half in the paper, and no weights besides ``E``. It
shares its sparse products and its start from singular vectors with :mod:`negatives.models.lightgcn`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models.base import Model
from negatives.models.propagation import bipartite, received
from negatives.models.settings import ItemLength, Smoothing, Start
from negatives.models.spectral import spectral_vectors
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr


class NodePropagation(Model):
    """Smoothed free vectors of nodes.

    Args:
        graph: Neighbours of each node in the training part, in both directions.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        scale: Factor of the cosine, so that losses without a temperature have one.
        smoothing: Layers of the propagation.
        lengths: Powers of the length of a target's vector.
        start: Initial values.
        seed: Seed of the initial values.
    """

    inner_product = True

    named_rows: ClassVar = {"node_table": ("query",)}

    def __init__(
        self,
        graph: Csr,
        dim: int = 64,
        similarity: str = "dot",
        scale: float = 1.0,
        smoothing: Smoothing = Smoothing(layers=2),
        lengths: ItemLength = ItemLength(),
        start: Start = Start(),
        seed: int = 0,
    ) -> None:
        n = graph.n_rows
        super().__init__(n, n, dim, similarity, lengths.item_length, lengths.ranking_length)
        if scale <= 0:
            raise ConfigError(f"scale is {scale}; it must be above 0")
        self._end = scale**0.5 if similarity == "cosine" else 1.0
        key = stream(seed, Purpose.INIT)
        if start.spectral:
            nodes = spectral_vectors(bipartite(graph), dim, start.init, key)[0]
        else:
            nodes = torch.empty(n, dim).normal_(0, start.init, generator=generator(key))
        self.node_table = nn.Parameter(nodes)
        self.smoothing, self.layer_weights = smoothing, smoothing.weights()
        self._power = self.item_length
        self._nodes, self._sent = nodes, nodes
        self._context: Context | None = None
        self.extend(graph)

    def extend(self, known: Csr) -> None:
        """Build the graph from ``known``."""
        self._smooth = bipartite(known, self.smoothing.own_power, self.smoothing.other_power)
        self._degrees = known.lengths()

    def refresh(self, context: Context | None = None) -> None:
        """Propagate; all encodings until the next refresh read the result."""
        self._smooth = self._smooth.to(self.node_table.device)
        self._power = self.ranking_length if context is None else self.item_length
        self._degrees, self._context = self._degrees.to(self.node_table.device), context
        self._sent = self._nodes = self.node_table * self.layer_weights[-1]
        for weight in self.layer_weights[-2::-1]:
            self._sent = self._nodes
            self._nodes = self._smooth @ self._sent + self.node_table * weight

    def encode_queries(self, queries: Tensor) -> Tensor:
        vectors, context = self._nodes[queries], self._context
        if context is not None and queries is context.queries:
            vectors = self._without_edge(vectors, queries, context.positives)
        return self.normalise(vectors) * self._end

    def encode_items(self, items: Tensor) -> Tensor:
        vectors, context = self._nodes[items], self._context
        if context is not None and items is context.positives:
            vectors = self._without_edge(vectors, items, context.queries)
        return self.scaled_items(vectors, self._power) * self._end

    def fold_in(self, histories: Histories) -> Tensor | None:
        """What a new node receives from its neighbours on the last hop; it has no vector of its own, sends nothing."""
        if not self.smoothing.layers:
            return None
        heard = received(histories.known(), self._degrees, self.smoothing.own_power, self.smoothing.other_power)
        return self.normalise(heard @ self._sent) * self._end

    def _without_edge(self, vectors: Tensor, own: Tensor, other: Tensor) -> Tensor:
        """Vectors ``(rows, dim)`` of the nodes ``own`` without what their rows' edges to ``other`` bring."""
        if not self.smoothing.drops_edges:
            return vectors
        return vectors - self.smoothing.own_edge(self._sent[other], self._degrees[own], self._degrees[other])

    def all_items(self) -> Tensor:
        return self.scaled_items(self._nodes, self._power) * self._end
