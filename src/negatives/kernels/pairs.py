"""Gradient and plain update of pairs in one."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.checks import same
from negatives.kernels.dispatch import serve


def sgd_pairs_(
    query_table: Tensor,
    item_table: Tensor,
    queries: Tensor,
    ids: Tensor,
    grad: Tensor,
    lr: float,
    weight_decay: float = 0.0,
) -> None:
    """Plain gradient descent on both tables in place: ``score_backward``, sums and ``sgd_rows_`` in one.

    All gradients are those of the tables as they were. A row is touched where one of its slots has a gradient other
    than zero; only touched rows decay.
    """
    same(queries.numel(), ids.shape[0], "queries and rows of ids")
    same(grad.shape, ids.shape, "gradient and ids")
    tables = query_table.detach(), item_table.detach()
    serve("pairs", ids).sgd_pairs_(*tables, queries, ids, grad, lr, weight_decay)
