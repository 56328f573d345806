"""Exact nearest neighbours, block by block, so that neither the vectors nor the scores need to fit in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from negatives import kernels

Vectors = npt.NDArray[np.float32]
"""Vectors ``(n, d)``; may be mapped from a file."""
ITEMS, QUERIES = 16_384, 512
"""Rows of a block: 32 MB of scores at a time."""


def nearest(queries: Vectors, items: Vectors, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` items of the highest inner product for each query, best first; equal scores in the items' order.

    Args:
        queries: ``(n, d)``.
        items: ``(m, d)``; read once, from front to back.
        k: How many.

    Returns:
        ids ``(n, k)`` int64, -1 where there are fewer items, and scores ``(n, k)``, minus infinity there.
    """
    ids = torch.full((len(queries), k), -1, dtype=torch.int64)
    scores = torch.full((len(queries), k), -torch.inf)
    for first in range(0, len(items), ITEMS):
        block = torch.from_numpy(np.array(items[first : first + ITEMS], dtype=np.float32)).T.contiguous()
        width = min(k, block.shape[1])
        for start in range(0, len(queries), QUERIES):
            some = torch.from_numpy(np.array(queries[start : start + QUERIES], dtype=np.float32))
            found, values = kernels.top_k(some @ block, width)
            rows = slice(start, start + len(some))
            if first == 0:
                ids[rows, :width], scores[rows, :width] = found, values
            else:
                ids[rows], scores[rows] = _merged(ids[rows], scores[rows], found + first, values, k)
    return ids, scores


def _merged(ids: Tensor, scores: Tensor, more: Tensor, values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The best of two sorted lists; what stands in the first comes before its equals in the second."""
    best, order = torch.cat([scores, values], 1).sort(dim=1, descending=True, stable=True)
    return torch.cat([ids, more], 1).gather(1, order[:, :k]), best[:, :k]


def pair_scores(queries: Vectors, items: Vectors, rows: Tensor, ids: Tensor) -> Tensor:
    """Inner products ``(n,)`` of pairs, block by block."""
    found = torch.empty(rows.numel())
    for start in range(0, rows.numel(), ITEMS):
        part = slice(start, start + ITEMS)
        left, right = np.asarray(queries[rows[part].numpy()]), np.asarray(items[ids[part].numpy()])
        found[part] = torch.from_numpy(np.einsum("nd,nd->n", left, right, dtype=np.float32))
    return found
