"""Draws of items by the most obvious loops."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.alias import LEAST, QUANTUM, AliasTable
from negatives.kernels.naive.hashing import hashed
from negatives.kernels.naive.members import known_items
from negatives.randomness import EXAMPLE_STEP, MASK64, mix
from negatives.types import Csr


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = torch.full((examples.numel(), k), -1, dtype=torch.int64)
    for r, example in enumerate(examples.tolist()):
        excluded = known_items(known, queries, r)
        for j in range(k):
            drawn = [hashed(key, example, j + k * t) * n_items >> 64 for t in range(tries)]
            fine = [item for item in drawn if item not in excluded]
            if fine:
                out[r, j] = fine[0]
            elif left := [item for item in range(n_items) if item not in excluded]:
                out[r, j] = left[hashed(key, example, j + k * tries) * len(left) >> 64]
    return out


def _drawn(table: AliasTable, word: int) -> int:
    """The item that one hashed word draws."""
    bucket, rest = divmod(word * table.alias.numel(), 1 << 64)
    keeps = rest >> 56 < int(table.cell[bucket])
    if rest >> 56 == int(table.cell[bucket]):
        keeps = mix(word + EXAMPLE_STEP & MASK64) >> 11 < int(table.fine[bucket])
    return bucket if keeps else int(table.alias[bucket])


def _units(chances: list[float]) -> list[int]:
    """Probabilities as whole numbers."""
    scale = QUANTUM
    total = sum(max(int(chance * scale), 1) for chance in chances)
    while 0 < total < LEAST:
        total, scale = 2 * total, 2 * scale
    return [max(int(chance * scale), 1) for chance in chances]


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = torch.full((examples.numel(), k), -1, dtype=torch.int64)
    chances = table.probability.tolist()
    for r, example in enumerate(examples.tolist()):
        excluded = known_items(known, queries, r)
        left = [item for item, chance in enumerate(chances) if chance > 0 and item not in excluded]
        units = _units([chances[item] for item in left])
        for j in range(k):
            drawn = [_drawn(table, hashed(key, example, j + k * t)) for t in range(tries)]
            fine = [item for item in drawn if item not in excluded]
            if fine:
                out[r, j] = fine[0]
            elif left:
                target = hashed(key, example, j + k * tries) * sum(units) >> 64
                out[r, j] = left[int(np.searchsorted(np.cumsum(units), target, side="right"))]
    return out
