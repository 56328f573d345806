"""Draws and exact rejection of known items in one launch; nothing here waits for the device."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from negatives.kernels.alias import LEAST, QUANTUM, AliasTable
from negatives.kernels.triton.lanes import (
    again,
    flat,
    is_known,
    launch,
    nth_allowed,
    row_word,
    sets_of,
    slot_word,
    upper,
)
from negatives.randomness import signed
from negatives.types import Csr

_SPAN = tl.constexpr(1024)
"""Items that an enumeration reads at once."""
_QUANTUM, _LEAST = tl.constexpr(QUANTUM), tl.constexpr(LEAST)


@triton.jit
def _item(words, n_items, cell, fine, other, live, weighted: tl.constexpr):
    """The item of each word: uniform, or from an alias table."""
    item = upper(words, n_items)
    if weighted:
        meets = tl.load(cell + item, mask=live, other=0).to(tl.uint64)
        mine = (words * n_items.to(tl.uint64)) >> 56
        within = (again(words) >> 11).to(tl.int64) < tl.load(fine + item, mask=live, other=0)
        keep = (mine < meets) | ((mine == meets) & within)
        item = tl.where(keep, item, tl.load(other + item, mask=live, other=0).to(tl.int64))
    return item


@triton.jit
def _units(first, probability, n_items, indices, start, end, scale):
    """Items from ``first`` on, and the allowed probability of each in whole units, ``scale`` to one."""
    item = first + tl.arange(0, _SPAN)
    known = is_known(indices, tl.zeros_like(item) + start, tl.zeros_like(item) + end, item)
    chance = tl.load(probability + item, mask=(item < n_items) & (known == 0), other=0.0).to(tl.float64)
    units = (chance * scale).to(tl.int64)
    return item, tl.where((units == 0) & (chance > 0), 1, units)


@triton.jit
def _total(probability, n_items, indices, start, end, scale):
    """Whole units of all allowed items."""
    total = tl.full((), 0, tl.int64)
    for first in range(0, n_items, _SPAN):
        total += tl.sum(_units(first, probability, n_items, indices, start, end, scale)[1], 0)
    return total


@triton.jit
def _enumerated(word, probability, n_items, indices, start, end):
    """The item on which the word's share of the total falls; -1 for a total of zero."""
    scale = tl.full((), _QUANTUM, tl.float64)
    total = _total(probability, n_items, indices, start, end, scale)
    while (total > 0) & (total < _LEAST):
        total, scale = total * 2, scale * 2
    total = _total(probability, n_items, indices, start, end, scale)
    target = tl.umulhi(word, total.to(tl.uint64)).to(tl.int64)
    before, sums = tl.full((), 0, tl.int64), tl.full((), 0, tl.int64)
    for first in range(0, n_items, _SPAN):
        item, units = _units(first, probability, n_items, indices, start, end, scale)
        passed = (sums + tl.cumsum(units, 0) <= target) & (item < n_items)
        before += tl.sum(passed.to(tl.int64), 0)
        sums += tl.sum(units, 0)
    return tl.where(total > 0, before, -1)


@triton.jit(do_not_specialize=("n", "k", "n_items", "key", "tries"))
def _draw(
    out, n, k, n_items, key, tries, examples, queries, indptr, indices, cell, fine, other, probability,
    weighted: tl.constexpr, excluding: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    live = at < n
    row, slot = at // k, at % k
    base = row_word(key, tl.load(examples + row, mask=live, other=0))
    n_items = n_items.to(tl.int64)
    item = _item(slot_word(base, slot), n_items, cell, fine, other, live, weighted)
    if excluding:
        start, end = sets_of(indptr, tl.load(queries + row, mask=live, other=0), live)
        refused = is_known(indices, start, end, item)
        attempt = tl.full((), 1, tl.int64)
        while (attempt < tries) & (tl.max(refused.to(tl.int32), 0) > 0):
            word = slot_word(base, slot + k * attempt)
            item = tl.where(refused, _item(word, n_items, cell, fine, other, live, weighted), item)
            refused = refused & is_known(indices, start, end, item)
            attempt += 1
        if tl.max(refused.to(tl.int32), 0) > 0:  # by enumeration, one slot after another where items have weights
            word = slot_word(base, slot + k * tries)
            if weighted:
                for lane in range(block):
                    here = refused & (tl.arange(0, block) == lane)
                    if tl.max(here.to(tl.int32), 0) > 0:
                        mine = tl.sum(tl.where(here, word, 0), 0)
                        lo, hi = tl.sum(tl.where(here, start, 0), 0), tl.sum(tl.where(here, end, 0), 0)
                        item = tl.where(here, _enumerated(mine, probability, n_items, indices, lo, hi), item)
            else:
                left = n_items - (end - start)
                found = nth_allowed(indices, start, end, upper(word, left))
                item = tl.where(refused, tl.where(left > 0, found, -1), item)
    tl.store(out + at, item, mask=live)


def _drawn(
    table: AliasTable | None,
    examples: Tensor,
    k: int,
    n_items: int,
    key: int,
    queries: Tensor | None,
    known: Csr | None,
    tries: int,
) -> Tensor:
    out = torch.empty(examples.numel(), k, dtype=torch.int64, device=examples.device)
    excluding = queries is not None and known is not None and known.nnz > 0
    sets = flat(queries, known.indptr, known.indices) if excluding else [None] * 3  # type: ignore[arg-type,union-attr]
    weights = flat(table.cell, table.fine, table.alias, table.probability) if table is not None else [None] * 4
    numbers = out.numel(), k, n_items, signed(key), tries
    launch(_draw, out.numel(), out, *numbers, *flat(examples), *sets, *weights, table is not None, excluding)
    return out


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    return _drawn(None, examples, k, n_items, key, queries, known, tries)


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    return _drawn(table, examples, k, table.alias.numel(), key, queries, known, tries)
