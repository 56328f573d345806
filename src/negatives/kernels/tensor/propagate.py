"""Sparse by dense products."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.tensor.segments import segments


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    return segments(indptr.diff(), indices.to(torch.int64), values, dense)
