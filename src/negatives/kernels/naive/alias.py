"""Filling an alias table, on Python's lists."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from negatives.kernels.alias import CELLS, FINE

Array = np.ndarray[Any, Any]


def fill_alias(share: Array) -> tuple[Array, Array, Array]:
    """Cells, fine parts and aliases for ``share`` that sums to its length, by Vose's two stacks."""
    scaled = share.tolist()
    cell, fine, alias = [0] * len(scaled), [0] * len(scaled), list(range(len(scaled)))
    small = [i for i, s in enumerate(scaled) if s < 1]
    large = [i for i, s in enumerate(scaled) if s >= 1]
    while small and large:
        j, parts = large[-1], [scaled[large[-1]]]
        while small and math.fsum(parts) >= 1:
            i = small.pop()
            units = max(int(scaled[i] * CELLS * FINE), int(scaled[i] > 0))
            (cell[i], fine[i]), alias[i] = divmod(units, int(FINE)), j
            parts += [-1.0, scaled[i]]
        scaled[j] = math.fsum(parts)
        if scaled[j] < 1:
            small.append(large.pop())
    return np.array(cell, np.uint8), np.array(fine, np.int64), np.array(alias, np.int32)
