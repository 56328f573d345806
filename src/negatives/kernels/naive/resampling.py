"""Draws among the slots of each row, one after another."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.naive.hashing import hashed


def resample(logits: Tensor, ok: Tensor | None, examples: Tensor, k: int, key: int) -> tuple[Tensor, Tensor]:
    rows, m = logits.shape
    slots, chances = torch.full((rows, k), m - 1), torch.zeros(rows, k)
    for r in range(rows):
        allowed = [j for j in range(m) if ok is None or ok[r, j]]
        if not allowed:
            continue
        share = dict(zip(allowed, torch.softmax(logits[r, allowed].double(), 0).tolist(), strict=True))
        for i in range(k):
            target, total = (hashed(key, int(examples[r]), i) >> 11) * 2.0**-53, 0.0
            for j in allowed:
                total += share[j]
                if total > target:
                    break
            slots[r, i], chances[r, i] = j, share[j]
    return slots, chances
