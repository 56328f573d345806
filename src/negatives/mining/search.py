"""Exact nearest neighbours, block by block, so that neither the vectors nor the scores need to fit in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from negatives import kernels
from negatives.randomness import tie_words, ties

Vectors = npt.NDArray[np.float32]
"""Vectors ``(n, d)``; may be mapped from a file."""
ITEMS, QUERIES = 16_384, 512
"""Rows of a block: 32 MB of scores at a time."""


def nearest(queries: Vectors, items: Vectors, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` items of the highest inner product for each query, best first.

    Items of equal score stand in a random order of the query, as in :func:`negatives.kernels.top_k`.

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
            asked, rows = torch.arange(start, start + len(some)), slice(start, start + len(some))
            found, values = kernels.top_k(some @ block, width, queries=asked, first=first)
            if first == 0:
                ids[rows, :width], scores[rows, :width] = found, values
            else:
                both = torch.cat([ids[rows], found + first], 1), torch.cat([scores[rows], values], 1)
                ids[rows], scores[rows] = _best(*both, asked, k)
    return ids, scores


def _best(ids: Tensor, scores: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The best ``k`` of each row, in order."""
    order = ties(tie_words(queries)[:, None], ids).argsort(1)
    best, places = scores.gather(1, order).sort(dim=1, descending=True, stable=True)
    return ids.gather(1, order.gather(1, places[:, :k])), best[:, :k]


def pair_scores(queries: Vectors, items: Vectors, rows: Tensor, ids: Tensor) -> Tensor:
    """Inner products ``(n,)`` of pairs, block by block."""
    found = torch.empty(rows.numel())
    for start in range(0, rows.numel(), ITEMS):
        part = slice(start, start + ITEMS)
        left, right = np.asarray(queries[rows[part].numpy()]), np.asarray(items[ids[part].numpy()])
        found[part] = torch.from_numpy(np.einsum("nd,nd->n", left, right, dtype=np.float32))
    return found
