"""Draws in plain tensor operations, with exact rejection of known items."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from negatives.kernels.alias import QUANTUM, AliasTable
from negatives.kernels.tensor.members import member
from negatives.kernels.tensor.segments import BUDGET, listed
from negatives.randomness import bits, integers, uniforms
from negatives.types import Csr


def _reject(
    draw: Callable[[Tensor, Tensor], Tensor],
    examples: Tensor,
    k: int,
    queries: Tensor | None,
    known: Csr | None,
    tries: int,
) -> Tensor:
    """``draw(examples, slots)`` everywhere, then again where the item is known; -1 where no try has passed."""
    ids = draw(examples[:, None], torch.arange(k, device=examples.device))
    if known is None or queries is None:
        return ids
    rows = torch.arange(examples.numel(), device=ids.device).repeat_interleave(k)
    cols = torch.arange(k, device=ids.device).repeat(examples.numel())
    for attempt in range(1, tries + 1):
        refused = member(known, queries[rows], ids[rows, cols])
        rows, cols = rows[refused], cols[refused]
        if not rows.numel():
            break
        ids[rows, cols] = draw(examples[rows], cols + k * attempt) if attempt < tries else -1
    return ids


def _nth_allowed(known: Csr, queries: Tensor, nth: Tensor) -> Tensor:
    """The item with ``nth`` ``(n,)`` allowed items before it, by binary search."""
    first = known.indptr[queries]
    lo, hi = first, known.indptr[queries + 1]
    for _ in range(int((hi - lo).max()).bit_length()):
        middle = (lo + hi) >> 1
        open_ = lo < hi
        passed = open_ & (known.indices[middle.clamp(max=known.nnz - 1)] - (middle - first) <= nth)
        lo, hi = torch.where(passed, middle + 1, lo), torch.where(open_ & ~passed, middle, hi)
    return nth + lo - first


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    ids = _reject(lambda e, s: integers(key, e, s, n_items), examples, k, queries, known, tries)
    rows, cols = (ids < 0).nonzero(as_tuple=True)
    if known is None or queries is None or not rows.numel():
        return ids
    left = n_items - known.lengths()[queries[rows]]
    hashed = (bits(key, examples[rows], cols + k * tries) >> 32) & 0xFFFFFFFF
    ids[rows, cols] = torch.where(left > 0, _nth_allowed(known, queries[rows], hashed * left >> 32), -1)
    return ids


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    n_items = table.alias.numel()

    def draw(rows: Tensor, slots: Tensor) -> Tensor:
        hashed = bits(key, rows, slots)
        bucket = (((hashed >> 32) & 0xFFFFFFFF) * n_items) >> 32
        keep = (hashed & 0xFFFFFFFF) < (table.threshold[bucket].to(torch.int64) & 0xFFFFFFFF)
        return torch.where(keep, bucket, table.alias[bucket].to(torch.int64))

    ids = _reject(draw, examples, k, queries, known, tries)
    open_rows = (ids < 0).any(1).nonzero()[:, 0]
    if known is None or queries is None or not open_rows.numel():
        return ids
    units = (table.probability.double() * QUANTUM).to(torch.int64).clamp(min=(table.probability > 0).to(torch.int64))
    for part in open_rows.split(max(1, BUDGET // n_items)):
        share = uniforms(key, examples[part, None], torch.arange(k, device=ids.device) + k * tries)
        ids[part] = torch.where(ids[part] < 0, _enumerate(units, known, queries[part], share), ids[part])
    return ids


def _enumerate(units: Tensor, known: Csr, queries: Tensor, share: Tensor) -> Tensor:
    """For ``share`` ``(rows, k)`` of the allowed total, the item on which it falls; -1 for a total of zero."""
    rows, items, _ = listed(known, queries)
    allowed = units.repeat(queries.numel(), 1)
    allowed[rows, items] = 0
    sums = allowed.cumsum(1)
    total = sums[:, -1:]
    target = torch.minimum((share * total.double()).to(torch.int64), total - 1)
    return torch.where(total > 0, torch.searchsorted(sums, target, right=True), -1)


__all__ = ["draw_alias", "draw_uniform"]
