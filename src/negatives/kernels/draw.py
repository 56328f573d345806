"""Draws of items, none of them known to its query."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.alias import AliasTable
from negatives.kernels.checks import fit
from negatives.kernels.dispatch import serve
from negatives.types import Csr


def draw_uniform(
    examples: Tensor,
    k: int,
    n_items: int,
    key: int,
    *,
    queries: Tensor | None = None,
    known: Csr | None = None,
    tries: int = 16,
) -> Tensor:
    """Uniform draws with replacement, never a known item of the row's query.

    Draw ``(row, slot)`` hashes ``(key, examples[row], slot + k * try)``. A known item is redrawn up to ``tries``
    times; then one more hash picks among the allowed items by enumeration. Both steps draw from the uniform
    distribution over the allowed items, so the whole does.

    Args:
        examples: ``(rows,)`` int64.
        k: Draws per row.
        n_items: Number of items, below 2^31.
        key: Random stream.
        queries: ``(rows,)`` int64 rows of ``known``.
        known: Items to exclude per query.
        tries: Draws before enumeration.

    Returns:
        ids ``(rows, k)`` int64; -1 for a query that knows every item.

    Raises:
        ValueError: ``n_items`` is out of range, or the known sets do not fit.
        IndexError: A query has no row in ``known``.

    >>> import torch
    >>> draw_uniform(torch.arange(2), 3, 10, key=7).shape
    torch.Size([2, 3])
    """
    if not 0 < n_items < 1 << 31:
        raise ValueError(f"n_items must lie between 1 and 2^31 - 1, not {n_items}")
    if tries < 1:
        raise ValueError(f"tries must be at least 1, not {tries}")
    fit(examples.numel(), queries, known, n_items)
    found: Tensor = serve("draw", examples).draw_uniform(examples, k, n_items, key, queries, known, tries)
    return found


def draw_alias(
    table: AliasTable,
    examples: Tensor,
    k: int,
    key: int,
    *,
    queries: Tensor | None = None,
    known: Csr | None = None,
    tries: int = 16,
) -> Tensor:
    """Draws from an alias table; the arguments and the exclusion are those of :func:`draw_uniform`.

    Returns:
        ids ``(rows, k)`` int64; -1 where no allowed item has a weight above zero.
    """
    if tries < 1:
        raise ValueError(f"tries must be at least 1, not {tries}")
    fit(examples.numel(), queries, known, table.alias.numel())
    found: Tensor = serve("draw", examples).draw_alias(table, examples, k, key, queries, known, tries)
    return found
