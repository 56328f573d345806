"""The best columns of each row, by sorting."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.naive.hashing import shuffled
from negatives.kernels.naive.members import known_items
from negatives.types import Csr


def top_k(
    scores: Tensor, k: int, exclude: Csr | None, queries: Tensor | None, words: Tensor, first: int
) -> tuple[Tensor, Tensor]:
    ids = torch.full((len(scores), k), -1, dtype=torch.int64)
    values = torch.full((len(scores), k), -torch.inf)
    for r, (row, word) in enumerate(zip(scores.tolist(), words.tolist(), strict=True)):
        known = known_items(exclude, queries, r)
        left = [
            (-score, shuffled(word ^ (first + item)), item)
            for item, score in enumerate(row)
            if score > -torch.inf and item not in known
        ]
        for j, (score, _, item) in enumerate(sorted(left)[:k]):
            ids[r, j], values[r, j] = item, -score
    return ids, values
