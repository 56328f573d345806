"""Which nodes are near a node: those that random walks of two and three steps from it reach most."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives import kernels
from negatives.kernels.walks import walks
from negatives.randomness import tie_words, ties
from negatives.types import Csr

RESTART = 0.15
"""Chance that PageRank's walk goes back to where it began."""
HOPS = (2, 3)
"""Steps that count; one step leads to known neighbours only."""
CELLS = 1 << 25
"""Numbers of the walk distribution that are held at a time."""
EXACT = 1 << 31
"""Work, edges times starting nodes, up to which the distribution is computed; above it walks are counted."""
WALKS = 1024
"""Walks from each node where they are counted."""


def nearest(graph: Csr, nodes: Tensor, k: int, exclude: Csr, key: int, sides: Tensor | None = None) -> Tensor:
    """The ``k`` nodes ``(n, k)`` that walks of :data:`HOPS` steps reach most, best first; -1 where fewer are reached.

    ``s = sum_l (1 - a)^l (P^l)[node]`` with ``P = D^-1 A`` and restart chance ``a``. In large graphs the sum is
    estimated from :data:`WALKS` walks.

    Args:
        graph: Neighbours in both directions.
        nodes: ``(n,)`` int64 where the walks begin.
        k: How many.
        exclude: Nodes that do not count, per starting node.
        key: Random stream, where walks are counted.
        sides: ``(n_nodes,)`` sides of a bipartite graph, in which nodes of the other side count only.
    """
    distinct, place = torch.unique(nodes, return_inverse=True)
    found = torch.full((distinct.numel(), k), -1, dtype=torch.int64)
    exact = graph.nnz * distinct.numel() <= EXACT
    step = max(1, CELLS // (graph.n_rows if exact else 8 * WALKS))
    for start in range(0, distinct.numel(), step):
        some = distinct[start : start + step]
        found[start : start + step] = (
            _by_distribution(graph, some, k, exclude, sides)
            if exact
            else _by_walks(graph, some, k, exclude, key, sides)
        )
    return found[place]


def _by_distribution(graph: Csr, nodes: Tensor, k: int, exclude: Csr, sides: Tensor | None) -> Tensor:
    """The ``k`` largest entries of the exact sum for each of ``nodes``."""
    values = (1.0 / graph.lengths().double()).float()[graph.indices.long()]
    mass = torch.zeros(graph.n_rows, nodes.numel())
    mass[nodes, torch.arange(nodes.numel())] = 1.0
    total = torch.zeros_like(mass)
    for hop in range(1, max(HOPS) + 1):
        mass = kernels.spmm(graph.indptr, graph.indices, values, mass)
        if hop in HOPS:
            total += (1 - RESTART) ** hop * mass
    total = total.T.contiguous()
    total[total <= 0] = -torch.inf
    if sides is not None:
        total[sides == sides[nodes][:, None]] = -torch.inf
    found = torch.full((nodes.numel(), k), -1, dtype=torch.int64)
    found[:, : graph.n_rows] = kernels.top_k(total, min(k, graph.n_rows), exclude=exclude, queries=nodes)[0]
    return found


def _by_walks(graph: Csr, nodes: Tensor, k: int, exclude: Csr, key: int, sides: Tensor | None) -> Tensor:
    """The ``k`` nodes that the walks from each of ``nodes`` visit most, equal ones in a random order."""
    starts = nodes.repeat_interleave(WALKS)
    numbers = (nodes[:, None] * WALKS + torch.arange(WALKS)).reshape(-1)
    paths = walks(graph, starts, max(HOPS), key, examples=numbers)[:, list(HOPS)].long()
    owners = torch.arange(nodes.numel()).repeat_interleave(WALKS)[:, None].expand_as(paths)
    weights = torch.tensor([(1 - RESTART) ** hop for hop in HOPS], dtype=torch.float64).expand(paths.shape)
    kept = paths >= 0
    codes, place = torch.unique(owners[kept] * graph.n_rows + paths[kept], return_inverse=True)
    visits = torch.zeros(codes.numel(), dtype=torch.float64).index_add_(0, place, weights[kept])
    rows, cols = codes // graph.n_rows, codes % graph.n_rows
    free = ~kernels.contains(exclude, nodes[rows], cols[:, None])[:, 0]
    if sides is not None:
        free &= sides[nodes[rows]] != sides[cols]
    rows, cols, visits = rows[free], cols[free], visits[free]
    order = ties(tie_words(nodes[rows]), cols).argsort()
    order = order[visits[order].argsort(descending=True, stable=True)]
    order = order[rows[order].argsort(stable=True)]
    rows, cols = rows[order], cols[order]
    sizes = torch.bincount(rows, minlength=nodes.numel())
    ranks = torch.arange(rows.numel()) - (sizes.cumsum(0) - sizes)[rows]
    found = torch.full((nodes.numel(), k), -1, dtype=torch.int64)
    found[rows[ranks < k], ranks[ranks < k]] = cols[ranks < k]
    return found
