"""Draws and exact rejection of known items, in one pass."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.alias import LEAST, QUANTUM, AliasTable
from negatives.kernels.jit.compile import Array, array, inline_kernel, inner_kernel
from negatives.kernels.jit.members import is_known, pair_bit, pair_filter, sets
from negatives.kernels.jit.mix import mix, upper
from negatives.kernels.threads import by_chunks
from negatives.randomness import EXAMPLE_STEP, MASK64, SLOT_STEP
from negatives.types import Csr

_E, _S = np.uint64(EXAMPLE_STEP), np.uint64(SLOT_STEP)
_6, _11, _56 = np.uint64(6), np.uint64(11), np.uint64(56)
_NONE, _ONE, _63 = np.uint64(0), np.uint64(1), np.uint64(63)
_FILTER_WORDS = 32
_FILTER_WORTH = 48
"""Known items per draw up to which the filter costs less than it saves."""
_FILTER_DRAWS = 16
"""Draws per row from which on a filter may pay at all."""
_ROW_COST = 48
"""Elementary steps that looking up a query's known items takes."""
_FILTER_MASK = np.uint64(64 * _FILTER_WORDS - 1)


@inner_kernel
def _note(filter_, indices, lo, hi, k):
    """Set one bit per known item, so that most draws of a row need no search."""
    if k < _FILTER_DRAWS:
        return  # all bits stay set: for few draws the filter of all pairs serves
    if hi - lo > _FILTER_WORTH * k:
        for word in range(filter_.size):
            filter_[word] = ~np.uint64(0)
        return
    for word in range(filter_.size):
        filter_[word] = np.uint64(0)
    for p in range(lo, hi):
        bit = np.uint64(indices[p]) & _FILTER_MASK
        filter_[bit >> _6] |= _ONE << (bit & _63)


@inline_kernel
def _refused(filter_, pairs, query, indices, lo, hi, item):
    bit = np.uint64(item) & _FILTER_MASK
    if (filter_[bit >> _6] >> (bit & _63)) & _ONE == np.uint64(0):
        return False
    if pairs.size:
        bit = pair_bit(query, item, pairs.size)
        if (pairs[bit >> _6] >> (bit & _63)) & _ONE == _NONE:
            return False
    return is_known(indices, lo, hi, item)


@inner_kernel
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


@inner_kernel
def _uniform(examples, n, key, queries, indptr, indices, pairs, filter_, tries, out, start, stop):
    k = out.shape[1]
    bound = np.uint64(n)
    query, lo, hi = np.int64(0), np.int64(0), np.int64(0)
    for r in range(start, stop):
        base = mix(key ^ (np.uint64(examples[r]) * _E))
        if queries.size:
            query = queries[r]
            lo, hi = indptr[query], indptr[query + 1]
            _note(filter_, indices, lo, hi, k)
        for j in range(k):
            item = np.int64(-1)
            for t in range(tries):
                drawn = upper(mix(base + np.uint64(j + k * t) * _S), bound)
                if not _refused(filter_, pairs, query, indices, lo, hi, drawn):
                    item = drawn
                    break
            if item < 0 and n > hi - lo:
                h = mix(base + np.uint64(j + k * tries) * _S)
                item = _nth_allowed(indices, lo, hi, upper(h, np.uint64(n - (hi - lo))))
            out[r, j] = item


@inner_kernel
def _accumulate(probability, indices, lo, hi, scale, sums):
    """Running sums of the allowed probability in whole units, ``scale`` to one; gives the total."""
    total = np.int64(0)
    for i in range(probability.size):
        units = np.int64(np.float64(probability[i]) * scale)
        if units == 0 and probability[i] > 0:
            units = np.int64(1)
        if lo < hi and indices[lo] == i:
            lo += 1
            units = np.int64(0)
        total += units
        sums[i] = total
    return total


@inner_kernel
def _first_above(sums, target):
    lo, hi = 0, sums.size
    while lo < hi:
        mid = (lo + hi) >> 1
        if sums[mid] <= target:
            lo = mid + 1
        else:
            hi = mid
    return lo


@inline_kernel
def _keeps(h, bound, cell, fine, bucket):
    """Whether a draw keeps its bucket's own item; see :class:`AliasTable`."""
    at, meets = (h * bound) >> _56, np.uint64(cell[bucket])
    if at != meets:
        return at < meets
    return np.int64(mix(h + _E) >> _11) < fine[bucket]


@inner_kernel
def _alias(cell, fine, alias, examples, key, queries, indptr, indices, pairs, filter_, tries, out, start, stop):
    """Gives the number of slots that hold -1, because every try gave a known item."""
    k = out.shape[1]
    bound = np.uint64(alias.size)
    query, lo, hi, left = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for r in range(start, stop):
        base = mix(key ^ (np.uint64(examples[r]) * _E))
        if queries.size:
            query = queries[r]
            lo, hi = indptr[query], indptr[query + 1]
            _note(filter_, indices, lo, hi, k)
        for j in range(k):
            out[r, j] = -1
            for t in range(tries):
                h = mix(base + np.uint64(j + k * t) * _S)
                drawn = upper(h, bound)
                if not _keeps(h, bound, cell, fine, np.uint64(drawn)):
                    drawn = np.int64(alias[np.uint64(drawn)])
                if not _refused(filter_, pairs, query, indices, lo, hi, drawn):
                    out[r, j] = drawn
                    break
            if out[r, j] < 0:
                left += 1
    return left


@inner_kernel
def _enumerate(probability, examples, key, queries, indptr, indices, tries, out, which, sums, start, stop):
    """Fill the slots of the rows ``which`` that hold -1 by one draw among all allowed items.

    Rows of one query follow one another, so that its running sums are made once.
    """
    k = out.shape[1]
    total, last = np.int64(0), np.int64(-1)
    for p in range(start, stop):
        r = which[p]
        query, lo, hi = np.int64(0), np.int64(0), np.int64(0)
        if queries.size:
            query = queries[r]
            lo, hi = indptr[query], indptr[query + 1]
        if query != last:
            total, last, scale = _accumulate(probability, indices, lo, hi, QUANTUM, sums), query, QUANTUM
            while 0 < total < LEAST:
                total, scale = 2 * total, 2.0 * scale
            if scale > QUANTUM:
                total = _accumulate(probability, indices, lo, hi, scale, sums)
        for j in range(k):
            if out[r, j] < 0 and total > 0:
                h = mix(mix(key ^ (np.uint64(examples[r]) * _E)) + np.uint64(j + k * tries) * _S)
                out[r, j] = _first_above(sums, upper(h, np.uint64(total)))


def _members(queries: Tensor | None, known: Csr | None, k: int) -> tuple[Array, Array, Array, Array]:
    """:func:`sets`, and the filter of all pairs where a row's own does not pay."""
    return *sets(known, queries), pair_filter(known if k < _FILTER_DRAWS else None)


def _filter() -> Array:
    """The filter of one row's known items, for one chunk."""
    return np.full(_FILTER_WORDS, ~np.uint64(0))


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = np.empty((examples.numel(), k), np.int64)
    whole = array(examples, np.int64), n_items, np.uint64(key & MASK64), *_members(queries, known, k)
    by_chunks(lambda a, b: _uniform(*whole, _filter(), tries, out, a, b), len(out), _ROW_COST + 4 * k)
    return torch.from_numpy(out)


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = np.empty((examples.numel(), k), np.int64)
    rows, word, members = array(examples, np.int64), np.uint64(key & MASK64), _members(queries, known, k)
    buckets = array(table.cell, np.uint8), array(table.fine, np.int64), array(table.alias, np.int32)
    shares = array(table.probability, np.float32)

    left: list[int] = []
    by_chunks(
        lambda a, b: left.append(_alias(*buckets, rows, word, *members, _filter(), tries, out, a, b)),
        len(out),
        _ROW_COST + 8 * k,
    )
    if any(left):
        queries_of, which = members[0], np.flatnonzero((out < 0).any(1))
        if queries_of.size:
            which = which[np.argsort(queries_of[which], kind="stable")]
        fixed = shares, rows, word, *members[:3], tries, out, which
        by_chunks(lambda a, b: _enumerate(*fixed, np.empty(len(shares), np.int64), a, b), len(which), len(shares) // 8)
    return torch.from_numpy(out)
