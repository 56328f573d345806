"""Membership in the known items of a query, by binary search in all rows at once."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.tensor.segments import halvings, listed, segments
from negatives.types import Csr


def _locate(known: Csr, queries: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Position of the first known item not below ``ids`` ``(n,)`` and the end of each query's set ``(n,)``."""
    lo, end = known.indptr[queries], known.indptr[queries + 1]
    hi, last = end, max(known.nnz - 1, 0)
    for _ in range(halvings(end - lo, known.n_cols)):
        middle = (lo + hi) >> 1
        open_ = lo < hi
        less = open_ & (known.indices[middle.clamp(max=last)] < ids)
        lo, hi = torch.where(less, middle + 1, lo), torch.where(open_ & ~less, middle, hi)
    return lo, end


def member(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    if not known.nnz:
        return torch.zeros(ids.shape, dtype=torch.bool, device=ids.device)
    at, end = _locate(known, queries, ids)
    return (at < end) & (known.indices[at.clamp(max=known.nnz - 1)] == ids)


def contains(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    return member(known, queries[:, None].expand(ids.shape), ids)


def contains_pool(known: Csr, queries: Tensor, pool: Tensor) -> Tensor:
    m, ascending = pool.numel(), pool.sort().values
    marks = torch.zeros(queries.numel(), m + 1, dtype=torch.bool, device=pool.device)  # the last is for other items
    if m:
        rows, items, _ = listed(known, queries)
        at = torch.searchsorted(ascending, items)  # the first of equal ones
        at = torch.where(ascending[at.clamp(max=m - 1)] == items, at, m)
        marks[rows, at] = True
    return marks[:, torch.searchsorted(ascending, pool)]


def excluded_mass(known: Csr, queries: Tensor, probability: Tensor) -> Tensor:
    _, items, lengths = listed(known, queries)
    return segments(lengths, items, torch.ones_like(items), probability.double()[:, None])[:, 0]
