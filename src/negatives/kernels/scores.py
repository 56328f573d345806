"""Inner products of gathered rows, their gradients, and sums of rows."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.checks import same
from negatives.kernels.dispatch import serve


def gather_scores(query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor) -> Tensor:
    """Inner products ``(rows, k)`` of query rows ``(n_q, d)`` and item rows ``(n_i, d)``, streamed."""
    same(queries.numel(), ids.shape[0], "queries and rows of ids")
    same(query_table.shape[1], item_table.shape[1], "vectors of queries and items")
    found: Tensor = serve("scores", ids).gather_scores(query_table.detach(), item_table.detach(), queries, ids)
    return found


def score_backward(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of :func:`gather_scores` from ``grad`` ``(rows, k)``; slots with gradient zero are skipped.

    Returns:
        The gradient of each row's query vector ``(rows, d)``; the touched items ``(u,)`` int64 in order of
        first use; and their summed gradients ``(u, d)``.
    """
    same(queries.numel(), ids.shape[0], "queries and rows of ids")
    same(query_table.shape[1], item_table.shape[1], "vectors of queries and items")
    same(grad.shape, ids.shape, "gradient and ids")
    tables = query_table.detach(), item_table.detach()
    found: tuple[Tensor, Tensor, Tensor] = serve("scores", ids).score_backward(*tables, queries, ids, grad)
    return found


def sum_rows(index: Tensor, values: Tensor, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Sum the rows of ``values`` ``(n, d)`` that share an ``index`` ``(n,)`` below ``size``.

    Returns:
        The distinct indices ``(u,)`` int64 in order of first use and the sums ``(u, d)``.

    >>> import torch
    >>> sum_rows(torch.tensor([4, 1, 4]), torch.tensor([[1.0], [2.0], [3.0]]))
    (tensor([4, 1]), tensor([[4.],
            [2.]]))
    """
    same(index.numel(), values.shape[0], "index and values")
    if size is None:
        size = int(index.max()) + 1 if index.numel() else 0
    found: tuple[Tensor, Tensor] = serve("scores", index).sum_rows(index, values, size)
    return found


def total_rows(index: Tensor, values: Tensor, size: int) -> Tensor:
    """Sums ``(size, d)`` of rows of ``values`` ``(n, d)`` float32 with the same ``index`` ``(n,)``; 0 where none is.

    The same bits at every call, on a GPU too, where ``index_add_`` adds in any order.

    >>> import torch
    >>> total_rows(torch.tensor([2, 0, 2]), torch.tensor([[1.0], [2.0], [3.0]]), 3).T
    tensor([[2., 0., 4.]])
    """
    same(index.numel(), values.shape[0], "index and values")
    found: Tensor = serve("scores", index).total_rows(index, values, size)
    return found
