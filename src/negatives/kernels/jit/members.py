"""Membership in the known items of a query."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import threading

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from negatives.kernels.jit.compile import Array, array, index, inline_kernel, inner_kernel
from negatives.kernels.jit.mix import mix
from negatives.kernels.threads import by_chunks
from negatives.randomness import EXAMPLE_STEP
from negatives.types import Csr

_local = threading.local()
_filters = WeakTensorKeyDictionary()
"""Filters by the columns of a table, then by where its rows start: tables cut from one another share their columns."""
_E = np.uint64(EXAMPLE_STEP)
_6, _63, _ONE = np.uint64(6), np.uint64(63), np.uint64(1)
FILTER_BITS = 16
"""Bits per known pair in a filter of pairs, at least: about one pair in sixteen has to be looked up all the same."""
FILTER_BYTES = 1 << 24
"""A larger filter would not fit the caches, and would hold memory that nobody asked for."""


@inner_kernel
def is_known(indices, lo, hi, item):
    """Binary search in the sorted ``indices[lo:hi]``, without branches that a processor could only guess."""
    n = hi - lo
    if n <= 0:
        return False
    while n > 1:
        half = n >> 1
        lo = lo + half if indices[lo + half] <= item else lo
        n -= half
    return indices[lo] == item


@inline_kernel
def pair_bit(query, item, size):
    """Where the pair stands in a filter of ``size`` words, a power of two."""
    return mix(np.uint64(query) * _E + np.uint64(item)) & (np.uint64(size) * np.uint64(64) - _ONE)


@inner_kernel
def _note(indptr, indices, filter_):
    for query in range(indptr.size - 1):
        for p in range(indptr[query], indptr[query + 1]):
            bit = pair_bit(query, indices[p], filter_.size)
            filter_[bit >> _6] |= _ONE << (bit & _63)


@inner_kernel
def _contains(queries, indptr, indices, ids, out, start, stop):
    for r in range(start, stop):
        lo, hi = indptr[queries[r]], indptr[queries[r] + 1]
        for j in range(ids.shape[1]):
            out[r, j] = is_known(indices, lo, hi, ids[r, j])


@inner_kernel
def _link(pool, last, before):
    """Chain equal pool items: ``last[item]`` is the last slot that holds it, ``before[slot]`` the one before."""
    for j in range(pool.size):
        before[j] = last[pool[j]]
        last[pool[j]] = j


@inner_kernel
def _unlink(pool, last):
    for j in range(pool.size):
        last[pool[j]] = -1


@inner_kernel
def _contains_pool(queries, indptr, indices, last, before, out, start, stop):
    for r in range(start, stop):
        for j in range(out.shape[1]):
            out[r, j] = False
        for p in range(indptr[queries[r]], indptr[queries[r] + 1]):
            j = last[indices[p]]
            while j >= 0:
                out[r, j] = True
                j = before[j]


@inner_kernel
def _excluded_mass(queries, indptr, indices, probability, out, start, stop):
    for r in range(start, stop):
        total = 0.0
        for p in range(indptr[queries[r]], indptr[queries[r] + 1]):
            total += np.float64(probability[indices[p]])
        out[r] = total


def sets(known: Csr | None, queries: Tensor | None) -> tuple[Array, Array, Array]:
    """Row ids, row starts and sorted columns for a kernel; all empty when nothing is excluded."""
    if known is None or queries is None:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32)
    rows = index(queries, known.n_rows, "queries")
    return rows, array(known.indptr, np.int64), array(known.indices, np.int32)


def pair_filter(known: Csr | None) -> Array:
    """A Bloom filter with one hash over the pairs of ``known``, see :func:`pair_bit`; empty where there is none.

    It is made when a table is used for the second time, kept as long as the table, and of two to four bytes per pair,
    16 MiB at most; larger tables have none.
    Source: Bloom, Space/Time Trade-offs in Hash Coding with Allowable Errors, 1970.
    """
    nothing = np.empty(0, np.uint64)
    words = 0 if known is None else 1 << max(0, (FILTER_BITS * known.nnz - 1).bit_length() - 6)
    if known is None or 8 * words > FILTER_BYTES:
        return nothing
    held = _filters.setdefault(known.indices, WeakTensorKeyDictionary())
    if known.indptr not in held:
        held[known.indptr] = nothing
        return nothing
    found: Array = held[known.indptr]
    if not found.size:
        found = held[known.indptr] = np.zeros(words, np.uint64)
        _note(array(known.indptr, np.int64), array(known.indices, np.int32), found)
    return found


def scratch(size: int) -> Array:
    """``(size,)`` int32 of -1, kept per thread. Whoever changes it puts it back, or calls :func:`spoil`."""
    held: Array | None = getattr(_local, "scratch", None)
    if held is None or held.size < size:
        held = _local.scratch = np.full(size, -1, np.int32)
    return held


def spoil() -> None:
    """Forget the scratch array of this thread, because it may not be clean."""
    _local.scratch = None


def contains(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    out = np.empty(tuple(ids.shape), np.bool_)
    members, items = sets(known, queries), array(ids, np.int64)
    by_chunks(lambda a, b: _contains(*members, items, out, a, b), len(out), 8 * items.shape[1])
    return torch.from_numpy(out)


def contains_pool(known: Csr, queries: Tensor, pool: Tensor) -> Tensor:
    out = np.empty((queries.numel(), pool.numel()), np.bool_)
    members = sets(known, queries)
    items = index(pool, 1 << 31, "pool")
    last, before = scratch(max(known.n_cols, int(items.max(initial=-1)) + 1)), np.empty(len(items), np.int32)
    try:
        _link(items, last, before)
        by_chunks(lambda a, b: _contains_pool(*members, last, before, out, a, b), len(out), 64 + len(items) // 8)
        _unlink(items, last)
    except BaseException:
        spoil()
        raise
    return torch.from_numpy(out)


def excluded_mass(known: Csr, queries: Tensor, probability: Tensor) -> Tensor:
    out = np.empty(queries.numel(), np.float64)
    members, shares = sets(known, queries), array(probability, np.float32)
    if len(shares) < known.n_cols:
        raise ValueError(f"probability has {len(shares)} items, the known sets {known.n_cols}")
    by_chunks(lambda a, b: _excluded_mass(*members, shares, out, a, b), len(out), 32)
    return torch.from_numpy(out)
