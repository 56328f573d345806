"""Inner products of gathered rows, their gradients, and sums of rows."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.tensor.segments import BUDGET, by_target, segments


def gather_scores(query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor) -> Tensor:
    vectors, (n, k) = query_table[queries], ids.shape
    out = torch.empty(n, k, dtype=vectors.dtype, device=ids.device)
    step = max(1, BUDGET // max(k * vectors.shape[1], 1))
    for r in range(0, n, step):
        part = slice(r, r + step)
        torch.bmm(item_table[ids[part]], vectors[part, :, None], out=out[part, :, None])
    return out


def score_backward(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    rows, cols = (grad != 0).nonzero(as_tuple=True)
    weights, items = grad[rows, cols], ids[rows, cols]
    per_row = segments(torch.bincount(rows, minlength=ids.shape[0]), items, weights, item_table)
    return per_row, *by_target(items, rows, weights, query_table[queries])


def sum_rows(target: Tensor, values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    ones = torch.ones(target.numel(), dtype=values.dtype, device=values.device)
    return by_target(target, torch.arange(target.numel(), device=target.device), ones, values)


def total_rows(target: Tensor, values: Tensor, size: int) -> Tensor:
    order = torch.argsort(target, stable=True)
    before = torch.searchsorted(target[order], torch.arange(size + 1, device=target.device))
    ones = torch.ones(target.numel(), dtype=values.dtype, device=values.device)
    return segments(before.diff(), order, ones, values)
