"""What GraphSAGE and GCN share: inputs, layers, and the two ends of an edge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from negatives.data.histories import Histories
from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models.base import Model
from negatives.models.dropout import dropped
from negatives.models.graph.parts import adjacency, initialised
from negatives.models.propagation import matrix_of
from negatives.parameters import Settings
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr


@dataclass(frozen=True, slots=True)
class MessagePassing(Settings):
    """How nodes hear their neighbours.

    Args:
        layers: Number of layers.
        dropout: Share of the numbers dropped before each layer.
        feature_dropout: Share of the features dropped.
        free: Whether nodes have free vectors besides their features.
        masked: Whether the batch's own edges are left out of the messages.

    Raises:
        ConfigError: ``layers`` is below 1.
    """

    layers: int = 2
    dropout: float = 0.2
    feature_dropout: float = 0.0
    free: bool = False
    masked: bool = True

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ConfigError(f"layers is {self.layers}; it must be at least 1")


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
        messages: Layers, and what is dropped.
        directed: Whether an edge has a direction.
        seed: Seed of initial values and dropout.
    """

    inner_product = True

    named_rows: ClassVar = {"node_table": ("query",)}

    def __init__(
        self,
        graph: Csr,
        features: SparseFeatures | None = None,
        dim: int = 128,
        similarity: str = "dot",
        scale: float = 1.0,
        messages: MessagePassing = MessagePassing(),
        directed: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(graph.n_rows, graph.n_rows, dim, similarity)
        if scale <= 0:
            raise ConfigError(f"scale is {scale}; it must be above 0")
        self.scale, self.messages, self.seed = scale, messages, seed
        key = stream(seed, Purpose.INIT)
        self.features = None if features is None else matrix_of(features.unit())
        if features is not None:
            bound = (6 / (features.n_cols + dim)) ** 0.5
            start = torch.empty(features.n_cols, dim).uniform_(-bound, bound, generator=generator(key))
            self.feature_table: nn.Parameter | None = nn.Parameter(start)
        else:
            self.feature_table = None
        if features is None or messages.free:
            random = generator(stream(seed, Purpose.INIT, 1))
            start = torch.empty(graph.n_rows, dim).normal_(0, dim**-0.5, generator=random)
            self.node_table: nn.Parameter | None = nn.Parameter(start)
        else:
            self.node_table = None
        with torch.random.fork_rng(devices=[]):  # layers draw first weights of their own
            self.layers = nn.ModuleList([self.layer(dim) for _ in range(messages.layers)])
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
        if context is not None and self.messages.masked:
            matrix = adjacency(self._graph, (context.queries, context.positives))
        hidden = self._inputs(self._random(context, 0))
        for index, layer in enumerate(self.layers):
            hidden = dropped(hidden, self.messages.dropout, self._random(context, index + 1))
            hidden = layer(hidden, matrix)
            hidden = hidden.relu() if index + 1 < len(self.layers) else hidden
        self._queries, self._items = (end(hidden) for end in self.ends) if len(self.ends) else (hidden, hidden)

    @torch.no_grad()
    def fold_in(self, histories: Histories, features: SparseFeatures | None = None) -> Tensor | None:
        """New nodes hear their neighbours and are not heard: those stay as they are.

        Args:
            histories: Neighbours of each new node.
            features: Content of the new nodes, weighted as that of the old ones; needed where these have any. A free
                vector is zero for a new node.
        """
        if (features is None) != (self.feature_table is None):
            return None
        old, known = self._inputs(None), histories.known()
        new = torch.zeros(known.n_rows, self.dim)
        if features is not None and self.feature_table is not None:
            new = matrix_of(features.unit()) @ self.feature_table
        indptr = torch.cat([self._graph.indptr, self._graph.nnz + known.indptr[1:]])
        indices = torch.cat([self._graph.indices, known.indices])
        matrix, hidden = adjacency(Csr(indptr, indices, len(old) + len(new))), torch.cat([old, new])
        for index, layer in enumerate(self.layers):
            hidden = layer(hidden, matrix)
            hidden = hidden.relu() if index + 1 < len(self.layers) else hidden
        hidden = hidden[len(old) :]
        return self._scaled(self.ends[0](hidden) if len(self.ends) else hidden)

    def _random(self, context: Context | None, place: int) -> torch.Generator | None:
        """What one dropout of one step draws from; None outside training."""
        if context is None:
            return None
        key = stream(self.seed, Purpose.DROPOUT, context.step * 64 + place)
        return generator(key, next(self.parameters()).device)

    def _inputs(self, random: torch.Generator | None) -> Tensor:
        hidden: Tensor | None = self.node_table
        if self.features is not None and self.feature_table is not None:
            mixed = self.features @ dropped(self.feature_table, self.messages.feature_dropout, random)
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

    def all_items(self) -> Tensor:
        return self._scaled(self._items)
