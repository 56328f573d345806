"""The best items by all scores at once."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.naive.topk import top_k
from negatives.types import Csr


def best(
    queries: Tensor,
    items: Tensor,
    k: int,
    exclude: Csr | None,
    rows: Tensor | None,
    words: Tensor,
    only: Tensor | None,
) -> tuple[Tensor, Tensor]:
    scores = torch.zeros(len(queries), len(items))
    for c in range(queries.shape[1]):  # a product of float32 is exact in float64
        scores = (scores.double() + torch.outer(queries[:, c].double(), items[:, c].double())).float()
    if only is not None:
        left_out = torch.ones(len(items), dtype=torch.bool)
        left_out[only] = False
        scores[:, left_out] = -torch.inf
    return top_k(scores, k, exclude, rows, words, 0)
