"""The façade over random walks on graphs; the compiled loops are in :mod:`negatives.kernels.jit.walks`."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.dispatch import serve
from negatives.types import Csr

TRIES = 32
"""Draws of a biased step before its exact distribution is enumerated."""


def walks(
    graph: Csr, starts: Tensor, length: int, key: int, *, examples: Tensor, p: float = 1.0, q: float = 1.0
) -> Tensor:
    """Random walks of first order, or of node2vec's second order (Grover and Leskovec, 2016).

    A walk that came from ``t`` to ``v`` goes on to a neighbour ``x`` of ``v`` with a probability in proportion to
    ``1/p`` if ``x = t``, to ``1`` if ``x`` is a neighbour of ``t``, and to ``1/q`` otherwise. Nothing is precomputed:
    neighbours are drawn and rejected, with the way back drawn apart where its weight stands out, as in KnightKing
    (Yang et al., 2019). After :data:`TRIES` rejections the weights are summed, so that every step ends; both ways
    draw from the same distribution, so the whole is exact.

    Args:
        graph: Neighbours of each node.
        starts: ``(n,)`` int64 nodes where the walks begin.
        length: Steps of a walk.
        key: Random stream.
        examples: ``(n,)`` int64; a walk depends on ``(key, its example, its start)`` only.
        p: Return parameter.
        q: In-out parameter.

    Returns:
        nodes ``(n, length + 1)`` int32; -1 after a node without neighbours.

    Raises:
        ValueError: ``length``, ``p`` or ``q`` is not positive, or starts and examples differ in number.
        IndexError: A start is no node of the graph.

    >>> import torch
    >>> path = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([1, 2]), 3, 3)
    >>> walks(path, torch.tensor([0]), 3, key=5, examples=torch.tensor([0])).tolist()
    [[0, 1, 2, -1]]
    """
    if length < 1 or not p > 0 or not q > 0:
        raise ValueError(f"length, p and q must be positive, not {length}, {p} and {q}")
    if starts.numel() != examples.numel():
        raise ValueError(f"{starts.numel()} starts do not fit {examples.numel()} examples")
    found: Tensor = serve("walks", starts).walks(graph, starts, length, key, examples, 1.0 / p, 1.0 / q, TRIES)
    return found
