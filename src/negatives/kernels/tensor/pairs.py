"""Gradient and plain update of pairs."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.tensor.optimisers import sgd_rows_
from negatives.kernels.tensor.scores import score_backward, sum_rows


def sgd_pairs_(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor, lr: float, weight_decay: float
) -> None:
    per_row, items, summed = score_backward(query_table, item_table, queries, ids, grad)
    used = (grad != 0).any(1)
    rows, of_queries = sum_rows(queries[used], per_row[used], len(query_table))
    sgd_rows_(query_table, rows, of_queries, lr, weight_decay)
    sgd_rows_(item_table, items, summed, lr, weight_decay)
