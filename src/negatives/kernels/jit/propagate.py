"""Sparse by dense products, the one loop behind propagation and behind every sum of rows."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import Array, array, index, kernel
from negatives.kernels.threads import by_weight


@kernel
def _product(starts, cols, weights, dense, out, start, stop):
    """``out[r] = sum_p weights[p] dense[cols[p]]`` over the entries of row ``r``, in their order."""
    for r in range(start, stop):
        y = out[r]
        y[:] = np.float32(0)
        for p in range(starts[r], starts[r + 1]):
            w = weights[p]
            if w != np.float32(0):
                x = dense[cols[p]]
                for c in range(x.size):
                    y[c] += w * x[c]


def product(starts: Array, cols: Array, weights: Array, dense: Array) -> Array:
    """Rows ``(n, d)`` of a sparse matrix ``(n, m)`` times ``dense`` ``(m, d)``; entries of value zero are skipped."""
    out = np.empty((len(starts) - 1, dense.shape[1]), np.float32)
    by_weight(lambda a, b: _product(starts, cols, weights, dense, out, a, b), starts, dense.shape[1] // 4)
    return out


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    index(indices, len(dense), "columns")
    cols, weights = array(indices, np.int32), array(values, np.float32)
    return torch.from_numpy(product(array(indptr, np.int64), cols, weights, array(dense, np.float32)))
