"""The best columns of each row of scores."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.checks import fit
from negatives.kernels.dispatch import serve
from negatives.types import Csr


def top_k(
    scores: Tensor, k: int, *, exclude: Csr | None = None, queries: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The ``k`` best columns of ``scores`` ``(rows, n)``, in descending order; ties go to the smaller id.

    A score of -inf or NaN marks a column as excluded.

    Args:
        scores: ``(rows, n)`` float32.
        k: How many.
        exclude: Columns to skip, per query.
        queries: ``(rows,)`` int64 rows of ``exclude``.

    Returns:
        ids ``(rows, k)`` int64 and values ``(rows, k)``; -1 and -inf where fewer are left.

    >>> import torch
    >>> top_k(torch.tensor([[0.5, 2.0, 2.0, 1.0]]), 3)[0].tolist()
    [[1, 2, 3]]
    """
    fit(scores.shape[0], queries, exclude, scores.shape[1])
    found: tuple[Tensor, Tensor] = serve("topk", scores).top_k(scores.detach(), k, exclude, queries)
    return found
