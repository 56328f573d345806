"""Filling an alias table in linear time."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from negatives.kernels.jit.compile import Array, kernel


@kernel
def _fill(scaled, threshold, alias):
    """Vose's two stacks, which share one array: small buckets grow from its start, large ones from its end."""
    n = scaled.size
    stack = np.empty(n, np.int32)
    small, large = 0, n
    heaviest = 0
    for i in range(n):
        alias[i] = i
        if scaled[i] > scaled[heaviest]:
            heaviest = i
        if scaled[i] < 1.0:
            stack[small] = i
            small += 1
        else:
            large -= 1
            stack[large] = i
    while small > 0 and large < n:
        small -= 1
        i, j = stack[small], stack[large]
        threshold[i] = np.uint32(min(scaled[i] * 4294967296.0, 4294967295.0))
        alias[i] = j
        scaled[j] -= 1.0 - scaled[i]
        if scaled[j] < 1.0:
            large += 1
            stack[small] = j
            small += 1
    for p in range(small):  # rounding may leave a few: they keep their own item unless its weight is zero
        if scaled[stack[p]] == 0.0:
            alias[stack[p]] = heaviest


def fill_alias(share: Array) -> tuple[Array, Array]:
    """Thresholds (uint32) and aliases (int32) for float64 ``share`` ``(n,)`` that sums to ``n``; uses it up."""
    threshold, alias = np.zeros(share.size, np.uint32), np.empty(share.size, np.int32)
    _fill(share, threshold, alias)
    return threshold, alias
