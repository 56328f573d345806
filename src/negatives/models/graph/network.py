"""What GraphSAGE and GCN share: inputs, layers, and the two ends of an edge."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models.base import Model
from negatives.models.graph.parts import adjacency, dropped, initialised
from negatives.models.tables import table_scores
from negatives.models.two_tower import content_operator
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr, shared_pool


class GraphNetwork(Model, ABC):
    """Node embeddings by message passing: ``h^(l+1) = relu(layer(h^(l), A))``, without relu at the end.

    ``h^(0) = X W`` from the features, a free vector per node where there are none. An edge is scored by
    ``<h_u, h_v>``, with cosine by ``scale cos(h_u, h_v)``; if edges have directions by ``<h_u S, h_v T>``. While
    training, the batch's own edges are left out of the messages, so that a node cannot tell a neighbour by having
    heard it.

    Args:
        graph: Neighbours of each node in the training part, in both directions.
        features: Content of the nodes, or None.
        dim: Length of an embedding, and of every layer.
        similarity: ``"dot"`` or ``"cosine"``.
        scale: Factor of the cosine, so that losses without a temperature have one.
        layers: Number of layers.
        dropout: Share of the numbers dropped before each layer.
        feature_dropout: Share of the features dropped.
        free: Whether nodes have free vectors besides their features.
        masked: Whether the batch's own edges are left out of the messages.
        directed: Whether an edge has a direction.
        seed: Seed of initial values and dropout.
    """

    inner_product = True

    def __init__(
        self,
        graph: Csr,
        features: SparseFeatures | None = None,
        dim: int = 128,
        similarity: str = "dot",
        scale: float = 1.0,
        layers: int = 2,
        dropout: float = 0.2,
        feature_dropout: float = 0.0,
        free: bool = False,
        masked: bool = True,
        directed: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(graph.n_rows, graph.n_rows, dim, similarity)
        if layers < 1 or scale <= 0:
            raise ConfigError(f"layers is {layers} and scale {scale}; they must be at least 1 and above 0")
        self.scale = scale
        self.dropout, self.feature_dropout, self.masked, self.seed = dropout, feature_dropout, masked, seed
        key = stream(seed, Purpose.INIT)
        self.features = None if features is None else content_operator(features)
        if features is not None:
            bound = (6 / (features.n_cols + dim)) ** 0.5
            start = torch.empty(features.n_cols, dim).uniform_(-bound, bound, generator=generator(key))
            self.feature_table: nn.Parameter | None = nn.Parameter(start)
        else:
            self.feature_table = None
        if features is None or free:
            start = torch.empty(graph.n_rows, dim).normal_(
                0, dim**-0.5, generator=generator(stream(seed, Purpose.INIT, 1))
            )
            self.node_table: nn.Parameter | None = nn.Parameter(start)
        else:
            self.node_table = None
        with torch.random.fork_rng(devices=[]):  # layers draw first weights of their own
            self.layers = nn.ModuleList([self.layer(dim) for _ in range(layers)])
            self.ends = nn.ModuleList([nn.Linear(dim, dim, bias=False) for _ in range(2 if directed else 0)])
        initialised(self.layers, stream(seed, Purpose.INIT, 2))
        initialised(self.ends, stream(seed, Purpose.INIT, 3))
        self.extend(graph)
        self._queries = self._items = torch.empty(0)

    @abstractmethod
    def layer(self, dim: int) -> nn.Module:
        """One layer from ``dim`` to ``dim`` that takes vectors ``(n, dim)`` and a sparse adjacency matrix."""

    def extend(self, known: Csr) -> None:
        """Take ``known`` for the graph that messages pass along."""
        self._graph = known
        self._whole = adjacency(known)

    def refresh(self, context: Context | None = None) -> None:
        """Pass messages once; all encodings until the next refresh read the result."""
        device = next(self.parameters()).device
        if self._whole.device != device:
            self._graph, self._whole = self._graph.to(device), self._whole.to(device)
            self.features = None if self.features is None else self.features.to(device)
        matrix = self._whole
        if context is not None and self.masked:
            matrix = adjacency(self._graph, (context.queries, context.positives))
        hidden = self._inputs(self._key(context, 0))
        for index, layer in enumerate(self.layers):
            hidden = dropped(hidden, self.dropout, self._key(context, index + 1))
            hidden = layer(hidden, matrix)
            hidden = hidden.relu() if index + 1 < len(self.layers) else hidden
        self._queries, self._items = (end(hidden) for end in self.ends) if len(self.ends) else (hidden, hidden)

    def _key(self, context: Context | None, place: int) -> int | None:
        """The stream of one dropout of one step; None outside training."""
        return None if context is None else stream(self.seed, Purpose.DROPOUT, context.step * 64 + place)

    def _inputs(self, key: int | None) -> Tensor:
        hidden: Tensor | None = self.node_table
        if self.features is not None and self.feature_table is not None:
            mixed = self.features @ dropped(self.feature_table, self.feature_dropout, key)
            hidden = mixed if hidden is None else mixed + hidden
        assert hidden is not None
        return hidden

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self._scaled(self._queries[queries])

    def encode_items(self, items: Tensor) -> Tensor:
        return self._scaled(self._items[items])

    def _scaled(self, vectors: Tensor) -> Tensor:
        """With cosine, of length ``sqrt(scale)`` at both ends of an edge."""
        return self.normalise(vectors) * self.scale**0.5 if self.similarity == "cosine" else vectors

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """As :meth:`Model.score`; candidates per query never materialise their embeddings."""
        if items.dim() == 1 or shared_pool(items) is not None:
            return Model.score(self, queries, items)
        rows = torch.arange(queries.numel(), device=queries.device)
        return table_scores(self.encode_queries(queries), self._scaled(self._items), rows, items)


__all__ = ["GraphNetwork"]
