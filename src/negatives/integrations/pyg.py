"""Adaptive negatives for the edges of a PyTorch Geometric graph, in a training loop of one's own.

    negatives = LinkNegatives(data.edge_index, data.num_nodes, "dns")     # once
    wrong = negatives(z, edge_label_index)                                # in the loop, z is the encoder's output
    loss = losses.bpr(decode(z, edge_label_index), decode(z, negatives.edges(edge_label_index, wrong)), wrong)

``torch_geometric.utils.negative_sampling`` sees the graph only. Here the draw sees the source node and the model, so
a wrong target can be one that the model finds likely for that very source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import InputError
from negatives.registry import Spec
from negatives.sampler import Sampler, build
from negatives.types import Catalogue, Csr, Negatives, shared_pool

Decode = Callable[[Tensor, Tensor], Tensor]
"""From node embeddings ``(n, d)`` and an edge index ``(2, ...)`` to a score for each edge ``(...)``."""


def inner_product(z: Tensor, edge_index: Tensor) -> Tensor:
    """``<z_u, z_v>`` for each edge.

    >>> inner_product(torch.eye(2), torch.tensor([[0, 0], [0, 1]])).tolist()
    [1.0, 0.0]
    """
    return (z[edge_index[0]] * z[edge_index[1]]).sum(-1)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A scorer of edges over embeddings that are computed already.

    Args:
        z: ``(n, d)`` node embeddings.
        decode: What scores an edge.
    """

    z: Tensor
    decode: Decode = inner_product

    def encode_queries(self, queries: Tensor) -> Tensor:
        """The rows of ``z``."""
        return self.z[queries]

    def encode_items(self, items: Tensor) -> Tensor:
        """The rows of ``z``."""
        return self.z[items]

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs ``(rows,)`` or of candidates ``(rows, k)``."""
        if self.decode is inner_product and (pool := shared_pool(items)) is not None:
            return self.z[queries] @ self.z[pool].T
        sources = queries if items.dim() == 1 else queries[:, None].expand_as(items)
        return self.decode(self.z, torch.stack([sources, items]))


class LinkNegatives:
    """Draws wrong targets for edges.

    Args:
        edge_index: ``(2, n)`` int64 training edges; they are never drawn.
        num_nodes: Number of nodes.
        sampler: A preset's name, parts as in a configuration, or a sampler.
        decode: What scores an edge; the inner product by default.
        directed: Whether ``u v`` leaves ``v u`` free to be drawn.
        seed: Seed of all draws, for a sampler that is built here.

    Raises:
        InputError: The edge index is not of shape ``(2, n)``, or names a node that does not exist.
        ConfigError: The sampler is not known.
    """

    def __init__(
        self,
        edge_index: Tensor,
        num_nodes: int,
        sampler: Spec | Sampler = "dns",
        decode: Decode = inner_product,
        directed: bool = False,
        seed: int = 0,
    ) -> None:
        if edge_index.dim() != 2 or edge_index.shape[0] != 2:
            raise InputError(f"an edge index has the shape (2, n), not {tuple(edge_index.shape)}")
        if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < num_nodes:
            raise InputError(
                f"the edge index names nodes outside 0 to {num_nodes - 1}", hint="give the right num_nodes"
            )
        self.decode, self.num_nodes = decode, num_nodes
        self.sampler = sampler if isinstance(sampler, Sampler) else build(sampler, seed)
        self.sampler.bind(_catalogue(edge_index.cpu(), num_nodes, directed, edge_index.device))

    def __call__(self, z: Tensor, edge_index: Tensor, *, epoch: int = 0, progress: float = 0.0) -> Negatives:
        """Wrong targets for the edges ``(2, rows)``: ``ids (rows, k)``, ``ok``, weights; see :class:`Negatives`.

        Args:
            z: ``(num_nodes, d)`` embeddings as they are now; no gradient flows through the draw.
            edge_index: The batch's right edges, from source to target.
            epoch: Epoch, counted from zero.
            progress: Share of the training that is done, for samplers with schedules.
        """
        return self.sampler(
            edge_index[0], edge_index[1], Embedded(z.detach(), self.decode), epoch=epoch, progress=progress
        )

    @staticmethod
    def edges(edge_index: Tensor, negatives: Negatives) -> Tensor:
        """The wrong edges ``(2, rows, k)``, to be scored as the right ones are; ``negatives.ok`` says which count."""
        return torch.stack([edge_index[0][:, None].expand_as(negatives.ids), negatives.ids])


def _catalogue(edges: Tensor, n: int, directed: bool, device: torch.device) -> Catalogue:
    sources, targets = edges if directed else torch.cat([edges, edges.flip(0)], 1)
    nodes = torch.arange(n)
    graph = Csr.from_pairs(sources, targets, n, n)
    known = Csr.from_pairs(torch.cat([sources, nodes]), torch.cat([targets, nodes]), n, n)
    counts = torch.bincount(graph.indices.long(), minlength=n)
    moved = (part.to(device) for part in (counts, nodes))
    counts, anchors = moved
    return Catalogue(n, n, counts, known.to(device), query_anchors=anchors, item_graph=graph.to(device))
