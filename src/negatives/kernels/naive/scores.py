"""Inner products of gathered rows, their gradients, and sums of rows."""

from __future__ import annotations

import torch
from torch import Tensor


def gather_scores(query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor) -> Tensor:
    return torch.einsum("rd,rkd->rk", query_table[queries], item_table[ids])


def score_backward(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    per_row = torch.einsum("rk,rkd->rd", grad, item_table[ids])
    used = grad.reshape(-1) != 0
    outer = (grad[..., None] * query_table[queries][:, None]).reshape(-1, query_table.shape[1])
    distinct, sums = sum_rows(ids.reshape(-1)[used], outer[used], len(item_table))
    return per_row, distinct, sums


def sum_rows(target: Tensor, values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    sums: dict[int, Tensor] = {}
    for item, value in zip(target.tolist(), values, strict=True):
        sums[item] = sums[item] + value if item in sums else value.clone()
    distinct = torch.tensor(list(sums), dtype=torch.int64)
    return distinct, torch.stack(list(sums.values())) if sums else values[:0].clone()


def total_rows(target: Tensor, values: Tensor, size: int) -> Tensor:
    totals = values.new_zeros(size, values.shape[1])
    for item, value in zip(target.tolist(), values, strict=True):
        totals[item] += value
    return totals
