"""Which rows of each query are held back."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.randomness import EXAMPLE_STEP, MASK64, mix


def _bits(key: int, row: int) -> int:
    return mix(mix(key ^ (row * EXAMPLE_STEP & MASK64))) >> 32 & 0x7FFFFFFF


def lowest_of_each(starts: Tensor, want: Tensor, key: int) -> Tensor:
    held = torch.zeros(int(starts[-1]), dtype=torch.bool)
    for start, end, count in zip(starts.tolist(), starts[1:].tolist(), want.tolist(), strict=False):
        for row in sorted(range(start, end), key=lambda row: (_bits(key, row), row))[: max(count, 0)]:
            held[row] = True
    return held


def latest_of_each(starts: Tensor, times: Tensor, key: int) -> Tensor:
    found = []
    for start, end in zip(starts.tolist(), starts[1:].tolist(), strict=False):
        found.append(min(range(start, end), key=lambda row: (-float(times[row]), _bits(key, row), row), default=-1))
    return torch.tensor(found, dtype=torch.int64)


def move_up_(values: Tensor, kept: Tensor) -> int:
    found = values[kept].clone()
    values[: found.numel()] = found
    return found.numel()
