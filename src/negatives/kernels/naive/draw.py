"""Draws of items by the most obvious loops."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.alias import QUANTUM, AliasTable
from negatives.kernels.naive.hashing import hashed
from negatives.kernels.naive.members import known_items
from negatives.types import Csr


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = torch.full((examples.numel(), k), -1, dtype=torch.int64)
    for r, example in enumerate(examples.tolist()):
        excluded = known_items(known, queries, r)
        left = [item for item in range(n_items) if item not in excluded]
        for j in range(k):
            drawn = [(hashed(key, example, j + k * t) >> 32) * n_items >> 32 for t in range(tries)]
            fine = [item for item in drawn if item not in excluded]
            if fine:
                out[r, j] = fine[0]
            elif left:
                out[r, j] = left[(hashed(key, example, j + k * tries) >> 32) * len(left) >> 32]
    return out


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = torch.full((examples.numel(), k), -1, dtype=torch.int64)
    threshold = table.threshold.numpy().view(np.uint32).tolist()
    alias = table.alias.tolist()
    units = [max(int(p * QUANTUM), int(p > 0)) for p in table.probability.tolist()]
    for r, example in enumerate(examples.tolist()):
        excluded = known_items(known, queries, r)
        left = [item for item, n in enumerate(units) if n > 0 and item not in excluded]
        for j in range(k):
            words = [hashed(key, example, j + k * t) for t in range(tries)]
            buckets = [(h >> 32) * len(alias) >> 32 for h in words]
            drawn = [b if h & 0xFFFFFFFF < threshold[b] else alias[b] for h, b in zip(words, buckets, strict=True)]
            fine = [item for item in drawn if item not in excluded]
            if fine:
                out[r, j] = fine[0]
            elif left:
                total = sum(units[item] for item in left)
                share = (hashed(key, example, j + k * tries) >> 11) * 2.0**-53
                sums = np.cumsum([units[item] for item in left])
                out[r, j] = left[int(np.searchsorted(sums, min(int(share * total), total - 1), side="right"))]
    return out


__all__ = ["draw_alias", "draw_uniform"]
