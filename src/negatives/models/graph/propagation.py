"""LightGCN's propagation over one set of nodes: free vectors, smoothed over the graph (He et al., 2020).

``E' = sum_l w_l Â^l E`` with ``Â = D^-a A D^-b``, both powers one half in the paper, and no weights besides ``E``. It
shares its sparse products and its start from singular vectors with :mod:`negatives.models.lightgcn`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.models.base import Model
from negatives.models.propagation import bipartite
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
        self._nodes: Tensor = torch.empty(0)
        self.extend(graph)

    def extend(self, known: Csr) -> None:
        """Build the graph from ``known``."""
        self._smooth = bipartite(known, self.smoothing.own_power, self.smoothing.other_power)

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

    def all_items(self) -> Tensor:
        return self.scaled_items(self._nodes, self._power) * self._end
