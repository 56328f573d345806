"""Adaptive negatives for the edges of a PyTorch Geometric graph, in a training loop of one's own.

    negatives = LinkNegatives(data.edge_index, data.num_nodes, "dns")     # once
    wrong = negatives(z, edge_label_index)                                # in the loop, z is the encoder's output
    loss = losses.bpr(decode(z, edge_label_index), decode(z, negatives.edges(edge_label_index, wrong)), wrong)

``torch_geometric.utils.negative_sampling`` sees the graph only. Here the draw sees the source node and the model, so
a wrong target can be one that the model finds likely for that very source.

A graph between two kinds of nodes, such as users and items, has two numbers of nodes, and ``z`` is a pair; then only
items are drawn. :meth:`LinkNegatives.of` takes both from a ``HeteroData``. :func:`with_negatives` puts the negatives
into the batches of a loader before neighbours are sampled, so that they have neighbours too. Edges with times are in
:mod:`negatives.integrations.pyg_temporal`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError, InputError
from negatives.registry import Spec
from negatives.sampler import Sampler, build
from negatives.types import Catalogue, Csr, Negatives, shared_pool

Embeddings = Tensor | tuple[Tensor, Tensor]
"""``(n, d)`` of all nodes, or a pair of those of the sources and those of the targets where they are of two kinds."""
Decode = Callable[[Any, Tensor], Tensor]
"""From :data:`Embeddings` and an edge index ``(2, ...)`` to a score for each edge ``(...)``."""


def ends(z: Embeddings) -> tuple[Tensor, Tensor]:
    """Embeddings of sources and of targets."""
    return z if isinstance(z, tuple) else (z, z)


def inner_product(z: Embeddings, edge_index: Tensor) -> Tensor:
    """``<z_u, z_v>`` for each edge.

    >>> inner_product(torch.eye(2), torch.tensor([[0, 0], [0, 1]])).tolist()
    [1.0, 0.0]
    """
    sources, targets = ends(z)
    return (sources[edge_index[0]] * targets[edge_index[1]]).sum(-1)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A scorer of edges over embeddings that are computed already.

    Args:
        z: Embeddings of nodes.
        decode: What scores an edge.
        sources: ``(n_queries,)`` int64 source node of each query; None where a query is its source.
    """

    z: Embeddings
    decode: Decode = inner_product
    sources: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where the embeddings are, whatever the edges of a loader are on."""
        return ends(self.z)[0].device

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Embeddings of the sources."""
        return ends(self.z)[0][self._of(queries)]

    def encode_items(self, items: Tensor) -> Tensor:
        """Embeddings of the targets."""
        return ends(self.z)[1][items]

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs ``(rows,)`` or of candidates ``(rows, k)``."""
        if self.decode is inner_product and (pool := shared_pool(items)) is not None:
            return self.encode_queries(queries) @ self.encode_items(pool).T
        sources = self._of(queries) if items.dim() == 1 else self._of(queries)[:, None].expand_as(items)
        return self.decode(self.z, torch.stack([sources, items]))

    def _of(self, queries: Tensor) -> Tensor:
        return queries if self.sources is None else self.sources[queries]


class LinkNegatives:
    """Draws wrong targets for edges.

    Args:
        edge_index: ``(2, n)`` int64 training edges; they are never drawn.
        num_nodes: Number of nodes; a pair, of sources and of targets, where these are of two kinds, each numbered from
            0. Then only nodes of the targets' kind are drawn.
        sampler: A preset's name, parts as in a configuration, or a sampler.
        decode: What scores an edge; the inner product by default.
        directed: Whether ``u v`` leaves ``v u`` free to be drawn, in a graph with one kind of nodes.
        seed: Seed of all draws, for a sampler that is built here.
        total_steps: Calls that the training will make, for samplers with schedules.

    Raises:
        InputError: The edge index is not of shape ``(2, n)``, or names a node that does not exist.
        ConfigError: The sampler is not known.
    """

    def __init__(
        self,
        edge_index: Tensor,
        num_nodes: int | tuple[int, int],
        sampler: Spec | Sampler = "dns",
        decode: Decode = inner_product,
        directed: bool = False,
        seed: int = 0,
        total_steps: int | None = None,
    ) -> None:
        if edge_index.dim() != 2 or edge_index.shape[0] != 2:
            raise InputError(f"an edge index has the shape (2, n), not {tuple(edge_index.shape)}")
        sizes = num_nodes if isinstance(num_nodes, tuple) else (num_nodes, num_nodes)
        for column, n in zip(edge_index, sizes, strict=True):
            if column.numel() and not 0 <= int(column.min()) <= int(column.max()) < n:
                raise InputError(f"the edge index names nodes outside 0 to {n - 1}", hint="give the right num_nodes")
        self.decode, self.num_nodes = decode, num_nodes
        self.sampler = sampler if isinstance(sampler, Sampler) else build(sampler, seed)
        self.sampler.total_steps = self.sampler.total_steps or total_steps
        device, edges = edge_index.device, edge_index.cpu()
        if isinstance(num_nodes, tuple):
            self.sampler.bind(_bipartite(edges, num_nodes, device))
        else:
            self.sampler.bind(_catalogue(edges, num_nodes, directed, device))
        self.kept: Embeddings | None = None

    @classmethod
    def of(
        cls,
        data: Any,
        edge_type: tuple[str, str, str] | None = None,
        sampler: Spec | Sampler = "dns",
        decode: Decode = inner_product,
        directed: bool = False,
        seed: int = 0,
        total_steps: int | None = None,
    ) -> LinkNegatives:
        """For the edges of a ``Data``, or those of one type of a ``HeteroData``.

        Args:
            data: The graph.
            edge_type: Kind of the sources, name of the edges, kind of the targets; for a ``HeteroData``.
            sampler: As for the class, as the others below.
            decode: What scores an edge.
            directed: Whether ``u v`` leaves ``v u`` free to be drawn.
            seed: Seed of all draws.
            total_steps: Calls that the training will make.

        Raises:
            InputError: A ``HeteroData`` has no such edges.

        >>> from types import SimpleNamespace as Data
        >>> LinkNegatives.of(Data(edge_index=torch.tensor([[0], [1]]), num_nodes=3)).num_nodes
        3
        """
        if not hasattr(data, "edge_types"):
            return cls(data.edge_index, data.num_nodes, sampler, decode, directed, seed, total_steps)
        if edge_type is None or edge_type not in data.edge_types:
            told = ", ".join(str(one) for one in data.edge_types)
            raise InputError(f"the graph has no edges of the type {edge_type}", hint=f"give one of {told}")
        source, _, target = edge_type
        sizes = data[source].num_nodes, data[target].num_nodes
        number = sizes[0] if source == target else sizes
        return cls(data[edge_type].edge_index, number, sampler, decode, directed, seed, total_steps)

    def __call__(
        self, z: Embeddings | None, edge_index: Tensor, *, epoch: int = 0, progress: float | None = None
    ) -> Negatives:
        """Wrong targets for the edges ``(2, rows)``: ``ids (rows, k)``, ``ok``, weights; see :class:`Negatives`.

        Args:
            z: Embeddings as they are now; no gradient flows through the draw. None for those that were remembered, or
                for a sampler that does not look at them.
            edge_index: The batch's right edges, from source to target.
            epoch: Epoch, counted from zero.
            progress: Share of the training that is done, for samplers with schedules; by default that of
                ``total_steps``.
        """
        z = self.kept if z is None else z
        scorer = None if z is None else Embedded(_detached(z), self.decode)
        return self.sampler(edge_index[0], edge_index[1], scorer, epoch=epoch, progress=progress)

    def scores(self, z: Embeddings, edge_index: Tensor, negatives: Negatives) -> Tensor:
        """Scores ``(rows, k)`` of the wrong edges, with gradients; those of a pool by one product of matrices.

        Args:
            z: Embeddings.
            edge_index: The batch's right edges.
            negatives: What was drawn for them.
        """
        return Embedded(z, self.decode).score(edge_index[0], negatives.ids)

    def remember(self, z: Embeddings, n_id: Tensor | tuple[Tensor, Tensor] | None = None) -> None:
        """Keep embeddings for draws that are made before the model sees the batch.

        Args:
            z: Embeddings of the nodes of a batch, or of all.
            n_id: ``(n,)`` their ids in the whole graph, a pair where ``z`` is one; None for all in order.
        """
        one_kind = isinstance(self.num_nodes, int)
        sizes = (self.num_nodes,) if isinstance(self.num_nodes, int) else self.num_nodes
        given = [part.detach() for part in (z if isinstance(z, tuple) else (z,))]
        ids = [None] * len(given) if n_id is None else list(n_id if isinstance(n_id, tuple) else (n_id,))
        if self.kept is None:
            tables = [part.new_zeros(n, part.shape[1]) for part, n in zip(given, sizes, strict=True)]
            self.kept = tables[0] if one_kind else (tables[0], tables[1])
        for table, part, where in zip(ends(self.kept), given, ids, strict=False):
            table[slice(None) if where is None else where] = part

    @staticmethod
    def edges(edge_index: Tensor, negatives: Negatives) -> Tensor:
        """The wrong edges ``(2, rows, k)``, to be scored as the right ones are; ``negatives.ok`` says which count."""
        return torch.stack([edge_index[0][:, None].expand_as(negatives.ids), negatives.ids])


class _WithNegatives:
    """A sampler of neighbourhoods that is given wrong edges beside the right ones; all else is the inner one's."""

    def __init__(self, inner: Any, negatives: LinkNegatives) -> None:
        self.inner, self.negatives = inner, negatives

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def sample_from_edges(self, inputs: Any, neg_sampling: Any = None) -> Any:
        """See ``torch_geometric.sampler.BaseSampler``."""
        if torch.utils.data.get_worker_info() is not None and self.negatives.kept is not None:
            raise ConfigError("workers of a loader would draw by old embeddings; use num_workers=0")
        right = torch.stack([inputs.row, inputs.col])
        found = self.negatives(None, right)
        rows = found.ok.cpu().nonzero()[:, 0]
        labels = torch.cat([torch.ones(right.shape[1]), torch.zeros(len(rows))])
        times = None if inputs.time is None else torch.cat([inputs.time, inputs.time[rows]])
        targets = torch.cat([inputs.col, found.ids[found.ok].to(inputs.col)])
        both = type(inputs)(
            inputs.input_id, torch.cat([inputs.row, inputs.row[rows]]), targets, labels, times, inputs.input_type
        )
        return self.inner.sample_from_edges(both, neg_sampling=None)


def with_negatives(loader: Any, negatives: LinkNegatives) -> Any:
    """Put wrong edges into every batch of a loader of links, before the neighbours of its nodes are sampled.

    In a batch ``edge_label`` is 1 for the right edges, which come first, and 0 for the wrong ones; ``edge_label_index``
    has both, numbered within the batch as ever. A sampler that looks at embeddings sees those that the loop gave
    last: ``negatives.remember(z, batch.n_id)`` after each step.

    Args:
        loader: A ``LinkNeighborLoader``, or another ``LinkLoader``, without ``neg_sampling``.
        negatives: For the whole graph.

    Returns:
        The same loader.

    Raises:
        ConfigError: The loader draws negatives of its own, or has labels.
    """
    if loader.neg_sampling is not None or loader.input_data.label is not None:
        raise ConfigError("the loader has negatives or labels of its own; leave neg_sampling and edge_label out")
    loader.link_sampler = _WithNegatives(loader.link_sampler, negatives)
    return loader


def _detached(z: Embeddings) -> Embeddings:
    return (z[0].detach(), z[1].detach()) if isinstance(z, tuple) else z.detach()


def _bipartite(edges: Tensor, sizes: tuple[int, int], device: torch.device) -> Catalogue:
    known = Csr.from_pairs(edges[0], edges[1], *sizes)
    counts = torch.bincount(known.indices.long(), minlength=sizes[1])
    return Catalogue(*sizes, counts.to(device), known.to(device))


def _catalogue(edges: Tensor, n: int, directed: bool, device: torch.device) -> Catalogue:
    sources, targets = edges if directed else torch.cat([edges, edges.flip(0)], 1)
    nodes = torch.arange(n)
    graph = Csr.from_pairs(sources, targets, n, n)
    known = Csr.from_pairs(torch.cat([sources, nodes]), torch.cat([targets, nodes]), n, n)
    counts = torch.bincount(graph.indices.long(), minlength=n)
    moved = (part.to(device) for part in (counts, nodes))
    counts, anchors = moved
    return Catalogue(n, n, counts, known.to(device), query_anchors=anchors, item_graph=graph.to(device))
