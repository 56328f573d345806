"""Membership in the known items of a query."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.checks import same
from negatives.kernels.dispatch import serve
from negatives.types import Csr


def contains(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    """``(rows, k)`` bool: is ``ids[row, j]`` among the known items of ``queries[row]``?"""
    same(queries.numel(), ids.shape[0], "queries and rows of ids")
    found: Tensor = serve("members", ids).contains(known, queries, ids)
    return found


def contains_pool(known: Csr, queries: Tensor, pool: Tensor) -> Tensor:
    """``(rows, m)`` bool: is ``pool[j]``, ``(m,)``, among the known items of ``queries[row]``?"""
    found: Tensor = serve("members", pool).contains_pool(known, queries, pool)
    return found


def excluded_mass(known: Csr, queries: Tensor, probability: Tensor) -> Tensor:
    """``(rows,)`` float64: total probability ``(n_items,)`` of the known items of each row's query."""
    found: Tensor = serve("members", queries).excluded_mass(known, queries, probability)
    return found
