"""Edges between nodes with their parts, names and features: what link prediction trains and tests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl
import torch
from torch import Tensor

from negatives.data.pairs import Pairs, SparseFeatures
from negatives.data.sides import columns_of, sides_note, two_sides
from negatives.types import Catalogue, Csr

PARTS = ("train", "valid", "test", "canaries")


@dataclass(frozen=True, slots=True)
class EdgeData:
    """A graph whose edges are divided into parts. An undirected edge stands once, from the smaller node.

    Args:
        name: Short name of the data, for reports.
        train: Edges that the model learns from and that messages pass along; ``queries`` are the sources.
        valid: Watched to stop training.
        test: Looked at once, at the end.
        canaries: Edges hidden from the model and the guards, to estimate false negatives.
        node_names: Name of each node, text.
        directed: Whether an edge has a direction.
        features: Content of the nodes, one row per node, or None.
        notes: What was read and how, one line each.
        sides: ``(n_nodes,)`` int64 side of each node of a bipartite graph, -1 for a node without edges; None where
            the graph is not bipartite, or that shall not matter.
        columns: ``(n_nodes,)`` int64, whether a node stands in the first column of the file, in the second or in both,
            as :func:`negatives.data.sides.columns_of` says; None where that is not known.
    """

    name: str
    train: Pairs
    valid: Pairs
    test: Pairs
    canaries: Pairs
    node_names: pl.Series
    directed: bool = False
    features: SparseFeatures | None = None
    notes: tuple[str, ...] = ()
    sides: Tensor | None = None
    columns: Tensor | None = None

    @property
    def n_nodes(self) -> int:
        return len(self.node_names)

    def part(self, name: str) -> Pairs:
        """One of :data:`PARTS` by its name."""
        return {"train": self.train, "valid": self.valid, "test": self.test, "canaries": self.canaries}[name]

    def both_ways(self, parts: Iterable[str] = ("train",)) -> Pairs:
        """The edges of some parts as (source, target) pairs; undirected ones stand in both directions."""
        chosen = Pairs.joined(self.part(name) for name in parts)
        sources, targets = chosen.queries, chosen.items
        if self.directed:
            return Pairs(sources, targets)
        return Pairs(torch.cat([sources, targets]), torch.cat([targets, sources]))

    def graph(self, parts: Iterable[str] = ("train",)) -> Csr:
        """Neighbours of each node in some parts, successors if the graph is directed."""
        pairs = self.both_ways(parts)
        return Csr.from_pairs(pairs.queries, pairs.items, self.n_nodes, self.n_nodes)

    def known(self, parts: Iterable[str] = ("train",)) -> Csr:
        """What is no negative for a node: its neighbours in some parts, and itself."""
        pairs, nodes = self.both_ways(parts), torch.arange(self.n_nodes)
        rows, cols = torch.cat([pairs.queries, nodes]), torch.cat([pairs.items, nodes])
        return Csr.from_pairs(rows, cols, self.n_nodes, self.n_nodes)

    def catalogue(self) -> Catalogue:
        """What the parts of a sampler may know: the training part and nothing else."""
        counts = torch.bincount(self.both_ways().items, minlength=self.n_nodes)
        nodes, sides = torch.arange(self.n_nodes), self.sides
        return Catalogue(
            self.n_nodes,
            self.n_nodes,
            counts,
            self.known(),
            query_anchors=nodes,
            item_graph=self.graph(),
            query_kinds=None if sides is None else torch.where(sides < 0, -1, 1 - sides),
            item_kinds=sides,
        )

    def with_sides(self) -> EdgeData:
        """The same graph with its two sides, where it is bipartite, which a note tells."""
        whole = Pairs.joined(self.part(name) for name in PARTS)
        columns = self.columns
        if columns is None:
            columns = columns_of(whole.queries, whole.items, self.n_nodes)
        sides = two_sides(whole.queries, whole.items, columns, self.directed)
        return self if sides is None else replace(self, sides=sides, notes=(*self.notes, sides_note(sides)))


def symmetric(graph: Csr) -> Csr:
    """The graph without directions.

    >>> symmetric(Csr.from_pairs(torch.tensor([0]), torch.tensor([2]), 3, 3)).row(2).tolist()
    [0]
    """
    rows = torch.repeat_interleave(graph.lengths())
    cols = graph.indices.to(torch.int64)
    return Csr.from_pairs(torch.cat([rows, cols]), torch.cat([cols, rows]), graph.n_rows, graph.n_cols)


def without_self(sources: Tensor, targets: Tensor, directed: bool, n_nodes: int) -> tuple[Pairs, int, int]:
    """Distinct edges sorted by source and target, and how many self-loops and duplicates were left out.

    An undirected edge is written from the smaller node, so that ``u v`` and ``v u`` are one.
    """
    loops = sources == targets
    sources, targets = sources[~loops], targets[~loops]
    if not directed:
        sources, targets = torch.minimum(sources, targets), torch.maximum(sources, targets)
    codes = torch.unique(sources * n_nodes + targets)
    return Pairs(codes // n_nodes, codes % n_nodes), int(loops.sum()), sources.numel() - codes.numel()
