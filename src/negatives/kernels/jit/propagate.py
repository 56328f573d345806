"""Sparse by dense products, the one loop behind propagation and behind every sum of rows."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import Array, array, index, kernel
from negatives.kernels.threads import by_weight


@kernel
def add(y, w, x):
    for c in range(y.size):
        y[c] += w * x[c]


@kernel
def _add_four(y, a, b, c, d, w, x, z, v):
    for i in range(y.size):
        y[i] += (a * w[i] + b * x[i]) + (c * z[i] + d * v[i])


@kernel
def _product(starts, cols, weights, dense, out, start, stop):
    """``out[r] = sum_p weights[p] dense[cols[p]]``, four entries at a time where none of them is zero."""
    zero = np.float32(0)
    for r in range(start, stop):
        y = out[r]
        y[:] = zero
        p, end = starts[r], starts[r + 1]
        while p < end:
            if p + 4 <= end:
                a, b, c, d = weights[p], weights[p + 1], weights[p + 2], weights[p + 3]
                if a != zero and b != zero and c != zero and d != zero:
                    w, x, z, v = dense[cols[p]], dense[cols[p + 1]], dense[cols[p + 2]], dense[cols[p + 3]]
                    _add_four(y, a, b, c, d, w, x, z, v)
                    p += 4
                    continue
            if weights[p] != zero:
                add(y, weights[p], dense[cols[p]])
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
