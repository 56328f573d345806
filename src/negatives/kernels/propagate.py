"""Sparse by dense products."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.checks import same
from negatives.kernels.dispatch import serve


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """Product ``y = A x``, float32, of a sparse matrix ``A`` ``(n, m)`` by rows and a dense ``x`` ``(m, d)``.

    Args:
        indptr: ``(n + 1,)`` int64, where the entries of each row begin.
        indices: ``(nnz,)`` int32 columns.
        values: ``(nnz,)`` float32; entries of value zero are skipped.
        dense: ``(m, d)`` float32.
    """
    same(indices.numel(), values.numel(), "columns and values")
    if indptr.device.type == "cpu":  # elsewhere the CPU would wait for the number at every product
        same(int(indptr[-1]), values.numel(), "the last row's end and values")
    found: Tensor = serve("propagate", dense).spmm(indptr, indices, values, dense.detach())
    return found
