"""The best columns of each row of scores."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.checks import fit
from negatives.kernels.dispatch import serve
from negatives.randomness import tie_words
from negatives.types import Csr


def top_k(
    scores: Tensor, k: int, *, exclude: Csr | None = None, queries: Tensor | None = None, first: int = 0
) -> tuple[Tensor, Tensor]:
    """The ``k`` best columns of ``scores`` ``(rows, n)``, in descending order.

    Columns of equal score stand in a random order of the row's query, :func:`negatives.randomness.ties`: it is the
    same in every call, and favours no column. A score of -inf or NaN marks a column as excluded.

    Args:
        scores: ``(rows, n)`` float32.
        k: How many.
        exclude: Columns to skip, per query.
        queries: ``(rows,)`` int64 query of each row, its row of ``exclude``; the rows' numbers where left out.
        first: Number of the first column, where ``scores`` are a part of all columns: ties go by it.

    Returns:
        ids ``(rows, k)`` int64, counted from the first column given, and values ``(rows, k)``; -1 and -inf where
        fewer are left.

    >>> scores = torch.tensor([[0.5, 2.0, 2.0, 1.0], [0.5, 2.0, 2.0, 1.0]])
    >>> top_k(scores, 3, queries=torch.tensor([2, 3]))[0].tolist()
    [[1, 2, 3], [2, 1, 3]]
    """
    fit(scores.shape[0], queries, exclude, scores.shape[1])
    words = tie_words(torch.arange(scores.shape[0], device=scores.device) if queries is None else queries)
    values = scores.detach().float()
    found: tuple[Tensor, Tensor] = serve("topk", values).top_k(values, k, exclude, queries, words, first)
    return found
