"""Sparse by dense products, one entry at a time."""

from __future__ import annotations

import torch
from torch import Tensor


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    out = torch.zeros(indptr.numel() - 1, dense.shape[1])
    for r in range(len(out)):
        for p in range(int(indptr[r]), int(indptr[r + 1])):
            out[r] += values[p] * dense[int(indices[p])]
    return out
