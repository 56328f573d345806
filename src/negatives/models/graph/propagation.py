"""LightGCN's propagation over one set of nodes: free vectors, smoothed over the graph (He et al., 2020).

``E' = sum_l w_l Â^l E`` with ``Â = D^-1/2 A D^-1/2`` and no weights besides ``E``. It shares its sparse products and
its start from singular vectors with :mod:`negatives.models.lightgcn`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.models.base import Model
from negatives.models.propagation import bipartite
from negatives.models.spectral import spectral_vectors
from negatives.models.tables import table_scores
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, Csr, shared_pool


class NodePropagation(Model):
    """Smoothed free vectors of nodes.

    Args:
        graph: Neighbours of each node in the training part, in both directions.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        scale: Factor of the cosine, so that losses without a temperature have one.
        layers: Number of propagation steps.
        own_share: Weight of layer 0; the other layers share the rest equally. None for equal weights.
        init: Standard deviation of the initial values.
        spectral: Start from singular vectors of ``Â``.
        item_length: Power of the length of a target's vector; see :class:`Model`.
        ranking_length: The same power in the final ranking.
        seed: Seed of the initial values.
    """

    inner_product = True

    def __init__(
        self,
        graph: Csr,
        dim: int = 64,
        similarity: str = "dot",
        scale: float = 1.0,
        layers: int = 2,
        own_share: float | None = None,
        init: float = 0.1,
        spectral: bool = True,
        item_length: float = 0.0,
        ranking_length: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(graph.n_rows, graph.n_rows, dim, similarity, item_length, ranking_length)
        if layers < 0 or scale <= 0:
            raise ConfigError(f"layers is {layers} and scale {scale}; they must be at least 0 and above 0")
        self._end = scale**0.5 if similarity == "cosine" else 1.0
        key = stream(seed, Purpose.INIT)
        if spectral:
            start = spectral_vectors(bipartite(graph), dim, init, key)[0]
        else:
            start = torch.empty(graph.n_rows, dim).normal_(0, init, generator=generator(key))
        self.node_table = nn.Parameter(start)
        first = 1 / (layers + 1) if own_share is None else own_share
        self.layer_weights = [first] + [(1 - first) / layers] * layers if layers else [1.0]
        self._power = self.item_length
        self._nodes: Tensor = torch.empty(0)
        self.extend(graph)

    def extend(self, known: Csr) -> None:
        """Build the graph from ``known``."""
        self._smooth = bipartite(known)

    def refresh(self, context: Context | None = None) -> None:
        """Propagate; all encodings until the next refresh read the result."""
        self._smooth = self._smooth.to(self.node_table.device)
        self._power = self.ranking_length if context is None else self.item_length
        total = self.node_table * self.layer_weights[-1]
        for weight in self.layer_weights[-2::-1]:
            total = self._smooth @ total + self.node_table * weight
        self._nodes = total

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self.normalise(self._nodes[queries]) * self._end

    def encode_items(self, items: Tensor) -> Tensor:
        return self.scaled_items(self._nodes[items], self._power) * self._end

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """As :meth:`Model.score`; candidates per query never materialise their embeddings."""
        if items.dim() == 1 or shared_pool(items) is not None:
            return Model.score(self, queries, items)
        rows = torch.arange(queries.numel(), device=queries.device)
        targets = self.scaled_items(self._nodes, self._power) * self._end
        return table_scores(self.encode_queries(queries), targets, rows, items)


__all__ = ["NodePropagation"]
