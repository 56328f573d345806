"""Random orders."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.randomness import EXAMPLE_STEP, MASK64, mix


def shuffled(key: int, n: int) -> Tensor:
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = mix(mix(key ^ (i * EXAMPLE_STEP & MASK64))) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return torch.tensor(order, dtype=torch.int64)
