"""Draws in plain tensor operations, with exact rejection of known items."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from negatives.kernels.alias import LEAST, QUANTUM, AliasTable
from negatives.kernels.tensor.members import member
from negatives.kernels.tensor.segments import BUDGET, halvings, listed
from negatives.randomness import again, bits, bounded, integers
from negatives.types import Csr

HALF = (1 << 32) - 1
DENSE = 2
"""Further tries for every slot, before those still refused are listed: the CPU waits for the length of each list."""


def _reject(
    draw: Callable[[Tensor, Tensor], Tensor],
    examples: Tensor,
    k: int,
    queries: Tensor | None,
    known: Csr | None,
    tries: int,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """``draw(examples, slots)``, again where the item is known; and the places, now -1, where no try has passed."""
    slots = torch.arange(k, device=examples.device)
    ids = draw(examples[:, None], slots)
    if known is None or queries is None:
        return ids, (slots[:0], slots[:0])
    owners = queries[:, None].expand_as(ids)
    refused = member(known, owners, ids)
    dense = min(DENSE, tries - 1)
    for attempt in range(1, dense + 1):
        ids = torch.where(refused, draw(examples[:, None], slots + k * attempt), ids)
        refused &= member(known, owners, ids)
    rows, cols = refused.nonzero(as_tuple=True)
    if not rows.numel():
        return ids, (rows, cols)
    drawn, refused = ids[rows, cols], torch.ones_like(rows, dtype=torch.bool)
    for attempt in range(dense + 1, tries):
        drawn = torch.where(refused, draw(examples[rows], cols + k * attempt), drawn)
        refused &= member(known, queries[rows], drawn)
    ids[rows, cols] = drawn.masked_fill(refused, -1)
    left = refused.nonzero()[:, 0]
    return ids, (rows[left], cols[left])


def _nth_allowed(known: Csr, queries: Tensor, nth: Tensor) -> Tensor:
    """The item with ``nth`` ``(n,)`` allowed items before it, by binary search."""
    first = known.indptr[queries]
    lo, hi = first, known.indptr[queries + 1]
    for _ in range(halvings(hi - lo, known.n_cols)):
        middle = (lo + hi) >> 1
        open_ = lo < hi
        passed = open_ & (known.indices[middle.clamp(max=known.nnz - 1)] - (middle - first) <= nth)
        lo, hi = torch.where(passed, middle + 1, lo), torch.where(open_ & ~passed, middle, hi)
    return nth + lo - first


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    ids, (rows, cols) = _reject(lambda e, s: integers(key, e, s, n_items), examples, k, queries, known, tries)
    if known is None or queries is None or not rows.numel():
        return ids
    left = n_items - known.lengths()[queries[rows]]
    nth = bounded(bits(key, examples[rows], cols + k * tries), left)
    ids[rows, cols] = torch.where(left > 0, _nth_allowed(known, queries[rows], nth), -1)
    return ids


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    n_items = table.alias.numel()

    def draw(rows: Tensor, slots: Tensor) -> Tensor:
        words = bits(key, rows, slots)
        bucket = bounded(words, n_items)
        cell, meets = (words * n_items >> 56) & 0xFF, table.cell[bucket]
        fine = ((again(words) >> 11) & (1 << 53) - 1) < table.fine[bucket]
        keep = torch.where(cell == meets, fine, cell < meets)
        return torch.where(keep, bucket, table.alias[bucket].to(torch.int64))

    ids, (rows, _) = _reject(draw, examples, k, queries, known, tries)
    if known is None or queries is None or not rows.numel():
        return ids
    for part in rows.unique().split(max(1, BUDGET // n_items)):
        words = bits(key, examples[part, None], torch.arange(k, device=ids.device) + k * tries)
        ids[part] = torch.where(ids[part] < 0, _enumerate(table.probability, known, queries[part], words), ids[part])
    return ids


def _product_high(words: Tensor, factor: Tensor) -> Tensor:
    """The upper 64 bits of ``words``, unsigned, times ``factor`` below 2^63, from products of halves."""
    high, low = (words >> 32) & HALF, words & HALF
    upper, lower = factor >> 32, factor & HALF
    middle = high * lower + ((low * lower >> 32) & HALF)  # unsigned
    return high * upper + ((middle >> 32) & HALF) + ((middle & HALF) + low * upper >> 32)


def _enumerate(probability: Tensor, known: Csr, queries: Tensor, words: Tensor) -> Tensor:
    """For hashed ``words`` ``(rows, k)``, the item on which that share of the total falls; -1 for a total of zero."""
    rows, items, _ = listed(known, queries)
    allowed = probability.double().repeat(queries.numel(), 1)
    allowed[rows, items] = 0.0
    least = (allowed > 0).to(torch.int64)
    total = (allowed * QUANTUM).to(torch.int64).clamp(min=least).sum(1, keepdim=True)
    scale = torch.full(total.shape, QUANTUM, dtype=torch.float64, device=total.device)
    while bool((few := (total > 0) & (total < LEAST)).any()):
        total, scale = torch.where(few, 2 * total, total), torch.where(few, 2 * scale, scale)
    sums = (allowed * scale).to(torch.int64).clamp(min=least).cumsum(1)
    total = sums[:, -1:]
    return torch.where(total > 0, torch.searchsorted(sums, _product_high(words, total), right=True), -1)
