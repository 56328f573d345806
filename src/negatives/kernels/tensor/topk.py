"""The best columns of each row of scores."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.tensor.segments import listed
from negatives.randomness import MASK32, ties
from negatives.types import Csr


def ranked(scores: Tensor) -> Tensor:
    """The scores anew, with -inf for NaN and 0 for -0."""
    return torch.where(scores.isnan(), -torch.inf, scores + 0.0)


def ordered(scores: Tensor, places: Tensor) -> Tensor:
    """int64 in the order of scores from :func:`ranked`; among equal ones the smaller place comes first."""
    code = scores.view(torch.int32)
    code = (code ^ ((code >> 31) & 0x7FFFFFFF)).to(torch.int64)
    return (code << 32) | (MASK32 - places)


def top_k(
    scores: Tensor, k: int, exclude: Csr | None, queries: Tensor | None, words: Tensor, first: int
) -> tuple[Tensor, Tensor]:
    n_rows, n = scores.shape
    scores = ranked(scores)
    if exclude is not None and queries is not None:
        rows, items, _ = listed(exclude, queries)
        scores[rows, items] = -torch.inf
    codes = ordered(scores, ties(words[:, None], first + torch.arange(n, device=scores.device)))
    best = torch.topk(codes, min(k, n), dim=1).indices
    ids = torch.full((n_rows, k), -1, dtype=torch.int64, device=scores.device)
    values = torch.full((n_rows, k), -torch.inf, device=scores.device)
    values[:, : best.shape[1]] = scores.gather(1, best)
    ids[:, : best.shape[1]] = torch.where(values[:, : best.shape[1]] > -torch.inf, best, -1)
    return ids, values
