"""Whether a graph is bipartite: its nodes are of two kinds, and every edge joins one to the other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

LEAST = 10
"""Nodes that the smaller side must have."""
CYCLES = 20
"""Independent cycles from which two colours are no chance: each would be even with one half. A tree has none."""
WHOLE = 0.99
"""Share of the nodes that hang together from which it is clear which colour is which side everywhere."""


def columns_of(sources: Tensor, targets: Tensor, n_nodes: int) -> Tensor:
    """``(n_nodes,)`` int64: 0 for a node among the sources only, 1 among the targets only, 2 among both, else -1."""
    first, second = (torch.zeros(n_nodes, dtype=torch.int64).index_fill_(0, ends, 1) for ends in (sources, targets))
    return first + 2 * second - 1


def two_sides(sources: Tensor, targets: Tensor, columns: Tensor, directed: bool) -> Tensor | None:
    """The side ``(n_nodes,)`` int64 of each node, 0 or 1, and -1 for a node without an edge; None if there are no two.

    A graph has two sides where no node is both a source and a target. Where edges have no direction, two colours are
    enough if that is no chance (:data:`CYCLES`) and the graph hangs together (:data:`WHOLE`): of a part that hangs
    together with nothing, one cannot tell which colour is which side.

    Args:
        sources: ``(n,)`` int64 node of each edge, of all parts.
        targets: ``(n,)`` int64, the other node.
        columns: ``(n_nodes,)`` where each node stands in the file, from :func:`columns_of`.
        directed: Whether an edge has a direction.
    """
    sides = columns
    if bool((columns == 2).any()):
        if directed:
            return None
        found = _colours(sources, targets, columns.numel())
        if found is None:
            return None
        sides = found
    return sides if min(int((sides == side).sum()) for side in (0, 1)) >= LEAST else None


def _colours(sources: Tensor, targets: Tensor, n_nodes: int) -> Tensor | None:
    """Colours from the double cover: nodes twice, each edge from a first copy to a second one.

    Two colours are enough where no node's two copies hang together (an odd cycle would join them).
    """
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    a, b = sources.numpy(), targets.numpy()
    ends = np.concatenate([a, a + n_nodes]), np.concatenate([b + n_nodes, b])
    cover = sparse.coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(2 * n_nodes, 2 * n_nodes)).tocsr()
    labels = torch.from_numpy(connected_components(cover, directed=False)[1]).long()
    first, second = labels[:n_nodes], labels[n_nodes:]
    joined = torch.zeros(n_nodes, dtype=torch.bool)
    joined[sources], joined[targets] = True, True
    if bool((first == second)[joined].any()):
        return None
    sizes = torch.unique(torch.minimum(first, second)[joined], return_counts=True)[1]
    cycles = sources.numel() - int(sizes.sum()) + sizes.numel()
    if cycles < CYCLES or int(sizes.max()) < WHOLE * int(sizes.sum()):
        return None
    smallest = torch.full((2 * n_nodes,), n_nodes).scatter_reduce_(0, first, torch.arange(n_nodes), "amin")
    return torch.where(joined, (smallest[first] > smallest[second]).long(), -1)


def sides_note(sides: Tensor) -> str:
    """One line about the two sides."""
    sizes = [f"{int((sides == side).sum()):,}" for side in (0, 1)]
    return (
        f"bipartite: {' and '.join(sizes)} nodes with edges between them only; negatives and non-edges are drawn from "
        "the other side only; reading.bipartite=ignore draws from all nodes"
    )
