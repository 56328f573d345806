"""The best columns of each row of scores."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.tensor.segments import listed
from negatives.randomness import MASK32, ties
from negatives.types import Csr


def ordered(scores: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Scores with -inf for NaN, and integers in their order, int64; the smaller place comes first among equal ones."""
    scores = torch.where(scores.isnan(), -torch.inf, scores + 0.0)  # the sum also turns -0 into 0
    code = scores.view(torch.int32)
    code = (code ^ ((code >> 31) & 0x7FFFFFFF)).to(torch.int64)
    return scores, (code << 32) | (MASK32 - places)


def top_k(
    scores: Tensor, k: int, exclude: Csr | None, queries: Tensor | None, words: Tensor, first: int
) -> tuple[Tensor, Tensor]:
    n_rows, n = scores.shape
    if exclude is not None and queries is not None:
        rows, items, _ = listed(exclude, queries)
        scores = scores.index_put((rows, items), scores.new_tensor(-torch.inf))
    scores, codes = ordered(scores, ties(words[:, None], first + torch.arange(n, device=scores.device)))
    best = torch.topk(codes, min(k, n), dim=1).indices
    ids = torch.full((n_rows, k), -1, dtype=torch.int64, device=scores.device)
    values = torch.full((n_rows, k), -torch.inf, device=scores.device)
    values[:, : best.shape[1]] = scores.gather(1, best)
    ids[:, : best.shape[1]] = torch.where(values[:, : best.shape[1]] > -torch.inf, best, -1)
    return ids, values
