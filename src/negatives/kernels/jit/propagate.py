"""Sparse by dense products, the one loop behind propagation and behind every sum of rows."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import Array, array, index, inner_kernel
from negatives.kernels.threads import by_weight


@inner_kernel
def add_row(y, r, w, x, i):
    """``y[r] += w x[i]``. Rows are indexed, not cut out: a view would count references, for which threads wait."""
    for c in range(y.shape[1]):
        y[r, c] += w * x[i, c]


@inner_kernel
def _add_four(y, r, weights, x, cols, p):
    """Four entries from ``p`` on at once."""
    a, b, c, d = weights[p], weights[p + 1], weights[p + 2], weights[p + 3]
    i, j, k, m = cols[p], cols[p + 1], cols[p + 2], cols[p + 3]
    for e in range(y.shape[1]):
        y[r, e] += (a * x[i, e] + b * x[j, e]) + (c * x[k, e] + d * x[m, e])


@inner_kernel
def _product(starts, cols, weights, dense, out, start, stop):
    """``out[r] = sum_p weights[p] dense[cols[p]]``, four entries at a time where none of them is zero."""
    zero = np.float32(0)
    for r in range(start, stop):
        for c in range(out.shape[1]):
            out[r, c] = zero
        p, end = starts[r], starts[r + 1]
        while p < end:
            if p + 4 <= end:
                a, b, c, d = weights[p], weights[p + 1], weights[p + 2], weights[p + 3]
                if a != zero and b != zero and c != zero and d != zero:
                    _add_four(out, r, weights, dense, cols, p)
                    p += 4
                    continue
            if weights[p] != zero:
                add_row(out, r, weights[p], dense, cols[p])
            p += 1


def product(starts: Array, cols: Array, weights: Array, dense: Array) -> Array:
    """Rows ``(n, d)`` of a sparse matrix ``(n, m)`` times ``dense`` ``(m, d)``; entries of value zero are skipped."""
    out = np.empty((len(starts) - 1, dense.shape[1]), np.float32)
    by_weight(lambda a, b: _product(starts, cols, weights, dense, out, a, b), starts, dense.shape[1] // 4)
    return out


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    index(indices, len(dense), "columns")
    cols, weights = array(indices, np.int32), array(values, np.float32)
    return torch.from_numpy(product(array(indptr, np.int64), cols, weights, array(dense, np.float32)))
