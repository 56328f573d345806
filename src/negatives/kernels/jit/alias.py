"""Filling an alias table in linear time."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from negatives.kernels.alias import CELLS, FINE
from negatives.kernels.jit.compile import Array, kernel


@kernel
def _sum(a, b):
    """``a + b`` rounded, and what the rounding lost (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@kernel
def _fill(scaled, cell, fine, alias):
    """Vose's two stacks, which share one array: small buckets grow from its start, large ones from its end.

    What a large item has left is kept in two numbers, because a heavy one gives to very many buckets. So the buckets
    that are left at the end are full, but for the rounding of the weights, and keep their own items.
    """
    n = scaled.size
    stack = np.empty(n, np.int32)
    small, large = 0, n
    for i in range(n):
        alias[i] = i
        if scaled[i] < 1.0:
            stack[small] = i
            small += 1
        else:
            large -= 1
            stack[large] = i
    while small > 0 and large < n:
        j = stack[large]
        left, lost = scaled[j], 0.0
        while small > 0 and left + lost >= 1.0:
            small -= 1
            i = stack[small]
            alias[i] = j
            cells = np.floor(scaled[i] * CELLS)
            cell[i] = np.uint8(cells)
            fine[i] = np.int64((scaled[i] * CELLS - cells) * FINE)
            if cells == 0.0 and fine[i] == 0 and scaled[i] > 0.0:
                fine[i] = 1
            left, off = _sum(left, -1.0)
            left, more = _sum(left, scaled[i])
            lost += off + more
        scaled[j] = left + lost
        if scaled[j] < 1.0:
            large += 1
            stack[small] = j
            small += 1


def fill_alias(share: Array) -> tuple[Array, Array, Array]:
    """Cells, fine parts and aliases for float64 ``share`` ``(n,)`` that sums to ``n``; uses it up."""
    parts = np.zeros(share.size, np.uint8), np.zeros(share.size, np.int64), np.empty(share.size, np.int32)
    _fill(share, *parts)
    return parts
