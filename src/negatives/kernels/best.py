"""The items of the highest inner products with each query, without holding all scores."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.checks import fit, same
from negatives.kernels.dispatch import serve
from negatives.randomness import tie_words
from negatives.types import Csr


def best(
    queries: Tensor,
    items: Tensor,
    k: int,
    *,
    exclude: Csr | None = None,
    rows: Tensor | None = None,
    only: Tensor | None = None,
    ties: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The ``k`` items of the highest inner product ``q . x`` with each query, best first; exact.

    The answer is that of ``top_k(queries @ items.T, k, exclude=exclude, queries=rows)`` up to the rounding of the
    products, and a product that is NaN or -inf marks its item as left out, as there. The table of items is read where
    it lies, also if that is a file mapped into memory: once for a few queries, once for every thousand or so of many.

    A score is one chain of fused multiply-adds in float32 over the dimensions in their order,
    ``s = fma(q[c], x[c], s)``. It depends on nothing but the two vectors, so that a query has the same scores and the
    same order, bit for bit, whether it is asked alone or among others, from all items or from some, by any number of
    threads, on any processor. Tensors on other devices are summed in the same order with a rounding in float64 in
    between, which changes a last bit about once in a billion additions.

    Args:
        queries: ``(n, d)`` float32.
        items: ``(m, d)`` float32, copied if it is not contiguous.
        k: How many.
        exclude: Items to leave out, per query.
        rows: ``(n,)`` int64 row of ``exclude`` of each query.
        only: ``(c,)`` int64 ids that may be answered, in any order; all when left out.
        ties: ``(n,)`` int64 number of each query by which items of equal score are ordered, see
            :func:`negatives.randomness.ties`; ``rows`` where left out, and the query's place where these are missing
            too. To get the same order among other queries, give one.

    Returns:
        ids ``(n, k)`` int64 and scores ``(n, k)`` float32; -1 and -inf where fewer are left.

    Raises:
        ValueError: Sizes do not fit, or the vectors are not float32.
        IndexError: ``only`` names an item that is not there.

    >>> items = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> best(torch.tensor([[2.0, 1.0]]), items, 2)
    (tensor([[2, 0]]), tensor([[3., 2.]]))
    """
    same(queries.shape[1], items.shape[1], "vectors of queries and items")
    if queries.dtype != torch.float32 or items.dtype != torch.float32:
        raise ValueError(f"vectors must be float32, not {queries.dtype} and {items.dtype}")
    fit(len(queries), rows, exclude, len(items))
    numbers = ties if ties is not None else rows
    if numbers is None:
        numbers = torch.arange(len(queries), device=queries.device)
    same(numbers.numel(), len(queries), "ties and queries")
    if only is not None:
        only = only if bool((only[1:] > only[:-1]).all()) else torch.unique(only)
        if only.numel() and (only[0] < 0 or only[-1] >= len(items)):
            raise IndexError(f"only must name items in [0, {len(items)}); found {int(only[0])} to {int(only[-1])}")
    tables, words = (queries.detach(), items.detach()), tie_words(numbers)
    found: tuple[Tensor, Tensor] = serve("best", queries).best(*tables, k, exclude, rows, words, only)
    return found
