"""Draws and exact rejection of known items, in one pass."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.alias import QUANTUM, AliasTable
from negatives.kernels.jit.compile import array, kernel
from negatives.kernels.jit.members import is_known, sets
from negatives.kernels.threads import by_chunks
from negatives.randomness import EXAMPLE_STEP, MASK64, MIX_1, MIX_2, SLOT_STEP
from negatives.types import Csr

_E, _S = np.uint64(EXAMPLE_STEP), np.uint64(SLOT_STEP)
_M1, _M2 = np.uint64(MIX_1), np.uint64(MIX_2)
_6, _11, _27, _30, _31, _32 = (np.uint64(by) for by in (6, 11, 27, 30, 31, 32))
_ONE, _63, _LOW = np.uint64(1), np.uint64(63), np.uint64(0xFFFFFFFF)
_FILTER_WORDS = 32
_FILTER_WORTH = 48
"""Known items per draw up to which the filter costs less than it saves."""
_FILTER_DRAWS = 6
"""Draws per row from which on a filter may pay at all."""
_ROW_COST = 48
"""Elementary steps that looking up a query's known items takes."""
_FILTER_MASK = np.uint64(64 * _FILTER_WORDS - 1)


@kernel
def mix(z):
    z = (z ^ (z >> _30)) * _M1
    z = (z ^ (z >> _27)) * _M2
    return z ^ (z >> _31)


@kernel
def _upper(h, bound):
    """Multiply-shift: an integer in ``[0, bound)`` from the upper 32 bits."""
    return np.int64(((h >> _32) * bound) >> _32)


@kernel
def _note(filter_, indices, lo, hi, k):
    """Set one bit per known item, so that most draws need no search; for few draws, search each of them."""
    if k < _FILTER_DRAWS:
        return  # all bits stay set
    if hi - lo > _FILTER_WORTH * k:
        filter_[:] = ~np.uint64(0)
        return
    filter_[:] = np.uint64(0)
    for p in range(lo, hi):
        bit = np.uint64(indices[p]) & _FILTER_MASK
        filter_[bit >> _6] |= _ONE << (bit & _63)


@kernel
def _refused(filter_, indices, lo, hi, item):
    bit = np.uint64(item) & _FILTER_MASK
    if (filter_[bit >> _6] >> (bit & _63)) & _ONE == np.uint64(0):
        return False
    return is_known(indices, lo, hi, item)


@kernel
def _nth_allowed(indices, lo, hi, nth):
    """The item with ``nth`` allowed items before it: count the known items that do not come later."""
    first = lo
    while lo < hi:
        mid = (lo + hi) >> 1
        if indices[mid] - (mid - first) <= nth:
            lo = mid + 1
        else:
            hi = mid
    return nth + (lo - first)


@kernel
def _uniform(examples, n, key, queries, indptr, indices, tries, out, start, stop):
    k = out.shape[1]
    bound = np.uint64(n)
    filter_ = np.full(_FILTER_WORDS, ~np.uint64(0))
    for r in range(start, stop):
        base = mix(key ^ (np.uint64(examples[r]) * _E))
        lo, hi = np.int64(0), np.int64(0)
        if queries.size:
            lo, hi = indptr[queries[r]], indptr[queries[r] + 1]
            _note(filter_, indices, lo, hi, k)
        for j in range(k):
            item = np.int64(-1)
            for t in range(tries):
                drawn = _upper(mix(base + np.uint64(j + k * t) * _S), bound)
                if not _refused(filter_, indices, lo, hi, drawn):
                    item = drawn
                    break
            if item < 0 and n > hi - lo:
                h = mix(base + np.uint64(j + k * tries) * _S)
                item = _nth_allowed(indices, lo, hi, _upper(h, np.uint64(n - (hi - lo))))
            out[r, j] = item


@kernel
def _accumulate(probability, indices, lo, hi, sums):
    """Running sums of the allowed probability in whole units; gives the total."""
    total = np.int64(0)
    for i in range(probability.size):
        units = np.int64(np.float64(probability[i]) * QUANTUM)
        if units == 0 and probability[i] > 0:
            units = np.int64(1)
        if lo < hi and indices[lo] == i:
            lo += 1
            units = np.int64(0)
        total += units
        sums[i] = total
    return total


@kernel
def _first_above(sums, target):
    lo, hi = 0, sums.size
    while lo < hi:
        mid = (lo + hi) >> 1
        if sums[mid] <= target:
            lo = mid + 1
        else:
            hi = mid
    return lo


@kernel
def _alias(threshold, alias, probability, examples, key, queries, indptr, indices, tries, out, start, stop):
    k = out.shape[1]
    bound = np.uint64(threshold.size)
    filter_ = np.full(_FILTER_WORDS, ~np.uint64(0))
    sums = np.empty(0, np.int64)
    for r in range(start, stop):
        base = mix(key ^ (np.uint64(examples[r]) * _E))
        lo, hi = np.int64(0), np.int64(0)
        total = np.int64(-1)
        if queries.size:
            lo, hi = indptr[queries[r]], indptr[queries[r] + 1]
            _note(filter_, indices, lo, hi, k)
        for j in range(k):
            item = np.int64(-1)
            for t in range(tries):
                h = mix(base + np.uint64(j + k * t) * _S)
                drawn = _upper(h, bound)
                if (h & _LOW) >= np.uint64(threshold[drawn]):
                    drawn = np.int64(alias[drawn])
                if not _refused(filter_, indices, lo, hi, drawn):
                    item = drawn
                    break
            if item < 0:
                if total < 0:  # once per row that needs it
                    if sums.size == 0:
                        sums = np.empty(threshold.size, np.int64)
                    total = _accumulate(probability, indices, lo, hi, sums)
                if total > 0:
                    h = mix(base + np.uint64(j + k * tries) * _S)
                    share = np.float64(h >> _11) * 2.0**-53
                    item = _first_above(sums, min(np.int64(share * np.float64(total)), total - 1))
            out[r, j] = item


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = np.empty((examples.numel(), k), np.int64)
    rows, members, word = array(examples, np.int64), sets(known, queries), np.uint64(key & MASK64)
    by_chunks(lambda a, b: _uniform(rows, n_items, word, *members, tries, out, a, b), len(out), _ROW_COST + 4 * k)
    return torch.from_numpy(out)


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = np.empty((examples.numel(), k), np.int64)
    rows, members, word = array(examples, np.int64), sets(known, queries), np.uint64(key & MASK64)
    buckets = array(table.threshold, np.int32).view(np.uint32), array(table.alias, np.int32)
    shares = array(table.probability, np.float32)
    by_chunks(
        lambda a, b: _alias(*buckets, shares, rows, word, *members, tries, out, a, b), len(out), _ROW_COST + 8 * k
    )
    return torch.from_numpy(out)
