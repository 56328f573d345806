"""Scores of per-query candidates from two embedding matrices, with a gradient that streams."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from negatives import kernels


def table_scores(queries: Tensor, items: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
    """Inner products ``(rows, k)``, differentiable in both matrices; nothing ``(rows, k, dim)`` is made.

    Args:
        queries: ``(n_queries, dim)`` float32.
        items: ``(n_items, dim)`` float32.
        rows: ``(rows,)`` int64 rows of ``queries``.
        ids: ``(rows, k)`` int64 rows of ``items``.
    """
    result: Tensor = _TableScores.apply(queries, items, rows, ids)  # type: ignore[no-untyped-call]
    return result


class _TableScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, items: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(queries, items, rows, ids)
        return kernels.gather_scores(queries, items, rows, ids)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        queries, items, rows, ids = ctx.saved_tensors
        per_row, unique, summed = kernels.score_backward(queries, items, rows, ids, grads[0])
        grad_queries = torch.zeros_like(queries).index_add_(0, rows, per_row)
        grad_items = torch.zeros_like(items)
        grad_items[unique] = summed
        return grad_queries, grad_items, None, None
