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

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from negatives.errors import InputError
from negatives.integrations.pyg_loader import with_negatives
from negatives.registry import Spec
from negatives.sampler import Sampler, build
from negatives.sampler.batch import whole
from negatives.types import Catalogue, Csr, Ids, Negatives, State, shared_pool

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


class Alike:
    """A scorer to which all edges are alike, for draws before there are embeddings."""

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Zeros ``(..., 1)``."""
        return torch.zeros(*queries.shape, 1, device=queries.device)

    encode_items = encode_queries

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Zeros of the shape of the items."""
        return torch.zeros(items.shape, device=items.device)


class LinkNegatives:
    """Draws wrong targets for edges.

    Args:
        edge_index: ``(2, n)`` training edges, ids of any whole-number type; they are never drawn.
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

    timed = False

    def __init__(
        self,
        edge_index: Ids,
        num_nodes: int | tuple[int, int],
        sampler: Spec | Sampler = "dns",
        decode: Decode = inner_product,
        directed: bool = False,
        seed: int = 0,
        total_steps: int | None = None,
    ) -> None:
        edge_index = _edges(edge_index)
        self.sizes = num_nodes if isinstance(num_nodes, tuple) else (num_nodes, num_nodes)
        for column, n in zip(edge_index, self.sizes, strict=True):
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

    @property
    def needs_scorer(self) -> bool:
        """Whether draws look at embeddings."""
        return self.sampler.needs_scorer

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

        Right edges that the graph holds beside its own, as ``RandomLinkSplit`` leaves them in ``edge_label_index``, are
        not drawn either.

        Args:
            data: The graph.
            edge_type: Kind of the sources, name of the edges, kind of the targets; for a ``HeteroData``.
            sampler: As for the class, as the others below.
            decode: What scores an edge.
            directed: Whether ``u v`` leaves ``v u`` free to be drawn.
            seed: Seed of all draws.
            total_steps: Calls that the training will make.

        Raises:
            InputError: A ``HeteroData`` has no such edges, or they are not in ``edge_index``.

        >>> from types import SimpleNamespace as Data
        >>> LinkNegatives.of(Data(edge_index=torch.tensor([[0], [1]]), num_nodes=3)).num_nodes
        3
        """
        if not hasattr(data, "edge_types"):
            return cls(_right(data), data.num_nodes, sampler, decode, directed, seed, total_steps)
        if edge_type is None or edge_type not in data.edge_types:
            told = ", ".join(str(one) for one in data.edge_types)
            raise InputError(f"the graph has no edges of the type {edge_type}", hint=f"give one of {told}")
        source, _, target = edge_type
        sizes = data[source].num_nodes, data[target].num_nodes
        number = sizes[0] if source == target else sizes
        return cls(_right(data[edge_type]), number, sampler, decode, directed, seed, total_steps)

    def __call__(
        self, z: Embeddings | None, edge_index: Ids, *, epoch: int = 0, progress: float | None = None
    ) -> Negatives:
        """Wrong targets for the edges ``(2, rows)``: ``ids (rows, k)``, ``ok``, weights; see :class:`Negatives`.

        Args:
            z: Embeddings as they are now; no gradient flows through the draw. None for those that were remembered, or
                for a sampler that does not look at them.
            edge_index: The batch's right edges, from source to target.
            epoch: Epoch, counted from zero.
            progress: Share of the training that is done, for samplers with schedules; by default that of
                ``total_steps``.

        Raises:
            InputError: There are embeddings of fewer nodes than the graph has, or a node does not exist.
        """
        edges, z = _edges(edge_index), self.kept if z is None else z
        if z is None:
            return self.sampler(edges[0], edges[1], epoch=epoch, progress=progress)
        for part, n in zip(ends(z), self.sizes, strict=True):
            if len(part) < n:
                raise InputError(
                    f"embeddings of {len(part)} nodes for a graph of {n}",
                    hint="give those of all nodes; where a loader samples neighbours, see with_negatives",
                )
        scorer = Embedded(_detached(z), self.decode)
        return self.sampler(edges[0], edges[1], scorer, epoch=epoch, progress=progress)

    def of_batch(self, src: Tensor, dst: Tensor, times: Tensor | None, epoch: int) -> Negatives:
        """Wrong targets for a batch that the model has not seen; see :func:`with_negatives`.

        By embeddings that are kept; before the first :meth:`remember`, all nodes score alike.
        """
        if self.kept is None and self.sampler.needs_scorer:
            return self.sampler(src, dst, Alike(), epoch=epoch)
        return self(None, torch.stack([src, dst]), epoch=epoch)

    def scores(self, z: Embeddings, edge_index: Ids, negatives: Negatives) -> Tensor:
        """Scores ``(rows, k)`` of the wrong edges, with gradients; those of a pool by one product of matrices.

        Args:
            z: Embeddings.
            edge_index: The batch's right edges.
            negatives: What was drawn for them.
        """
        return Embedded(z, self.decode).score(_edges(edge_index)[0], negatives.ids)

    def remember(self, z: Embeddings, n_id: Tensor | tuple[Tensor, Tensor] | None = None) -> None:
        """Keep embeddings for draws that are made before the model sees the batch.

        Args:
            z: Embeddings of the nodes of a batch, or of all.
            n_id: ``(n,)`` their ids in the whole graph, a pair where ``z`` is one; None for all in order.
        """
        one_kind = isinstance(self.num_nodes, int)
        sizes = self.sizes[:1] if one_kind else self.sizes
        given = [part.detach() for part in (z if isinstance(z, tuple) else (z,))]
        ids = [None] * len(given) if n_id is None else list(n_id if isinstance(n_id, tuple) else (n_id,))
        if self.kept is None:
            tables = [part.new_zeros(n, part.shape[1]) for part, n in zip(given, sizes, strict=True)]
            self.kept = tables[0] if one_kind else (tables[0], tables[1])
        for table, part, where in zip(ends(self.kept), given, ids, strict=False):
            table[slice(None) if where is None else where] = part

    @staticmethod
    def edges(edge_index: Ids, negatives: Negatives) -> Tensor:
        """The wrong edges ``(2, rows, k)``, to be scored as the right ones are; ``negatives.ok`` says which count."""
        sources = _edges(edge_index)[0].to(negatives.ids.device)
        return torch.stack([sources[:, None].expand_as(negatives.ids), negatives.ids])

    def state(self) -> State:
        """All that must be remembered to draw on where it was: the sampler's state, and embeddings that are kept."""
        tables = () if self.kept is None else self.kept if isinstance(self.kept, tuple) else (self.kept,)
        return {"sampler": self.sampler.state(), "kept": {str(at): one for at, one in enumerate(tables)}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self.sampler.load_state(state["sampler"])
        tables = tuple(one.clone() for one in state["kept"].values())
        self.kept = None if not tables else tables[0] if len(tables) == 1 else (tables[0], tables[1])


def _edges(edge_index: Ids) -> Tensor:
    """``(2, n)`` int64.

    Raises:
        InputError: It is of another shape, or no whole numbers.
    """
    found = whole("node", edge_index)
    if found.dim() != 2 or found.shape[0] != 2:
        raise InputError(f"an edge index has the shape (2, n), not {tuple(found.shape)}")
    return found


def _right(store: Any) -> Tensor:
    """Edges of a store of PyTorch Geometric, and those that it is trained on where they are kept apart."""
    edges = getattr(store, "edge_index", None)
    if edges is None:
        raise InputError("the graph has no edge_index", hint="give edges as an edge index, not as an adjacency matrix")
    more, labels = getattr(store, "edge_label_index", None), getattr(store, "edge_label", None)
    if more is None:
        return _edges(edges)
    return torch.cat([_edges(edges), _edges(more if labels is None else more[:, labels > 0])], 1)


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


__all__ = ["Decode", "Embedded", "Embeddings", "LinkNegatives", "ends", "inner_product", "with_negatives"]
