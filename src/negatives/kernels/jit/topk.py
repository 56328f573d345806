"""The best columns of each row of scores, known items skipped."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import array, inline_kernel, inner_kernel, kernel
from negatives.kernels.jit.members import sets
from negatives.kernels.jit.mix import shuffled
from negatives.kernels.threads import by_chunks
from negatives.types import Csr

_BLOCK = 64
LEAST = np.finfo(np.float32).min
"""Every score from here on may be ranked; NaN and minus infinity are below."""


@inline_kernel
def better(value, place, worst, last):
    """Whether an entry comes before another one: by its score, or by its place where the scores are equal."""
    return value > worst or (value == worst and place < last)


@inner_kernel
def _sink(best, places, ids, at, size):
    """Restore the heap below ``at``; its root is the worst entry kept: least score, then last place."""
    value, place, item = best[at], places[at], ids[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        other = child + 1
        if other < size and better(best[child], places[child], best[other], places[other]):
            child = other
        if better(best[child], places[child], value, place):
            break
        best[at], places[at], ids[at] = best[child], places[child], ids[child]
        at = child
    best[at], places[at], ids[at] = value, place, item


@inner_kernel
def keep(best, places, ids, n, value, place, item):
    """Take an entry into a heap that holds ``n``, in place of its worst where it is full; gives how many it holds then.

    The entries become a heap when they are complete.
    """
    k = best.size
    at = n if n < k else 0
    best[at], places[at], ids[at] = value, place, item
    if n == k:
        _sink(best, places, ids, 0, k)
        return k
    if n + 1 == k:
        for at in range(k // 2 - 1, -1, -1):
            _sink(best, places, ids, at, k)
    return n + 1


@inner_kernel
def finish(best, places, ids, n):
    """Sort the ``n`` entries of a heap, the best first."""
    if n < best.size:
        for at in range(n // 2 - 1, -1, -1):
            _sink(best, places, ids, at, n)
    for end in range(n - 1, 0, -1):
        best[0], best[end] = best[end], best[0]
        places[0], places[end] = places[end], places[0]
        ids[0], ids[end] = ids[end], ids[0]
        _sink(best, places, ids, 0, end)


@inner_kernel
def _any_from(row, start, stop, worst):
    count = np.int32(0)
    for i in range(start, stop):
        count += np.int32(row[i] >= worst)
    return count > 0


@inner_kernel
def _row(row, indices, lo, hi, word, first, best, places, ids):
    """Fill one row of ``best``, ``places`` and ``ids``; gives how many were found."""
    k, n = best.size, 0
    worst, last = LEAST, np.uint64(0)
    for start in range(0, row.size, _BLOCK):
        stop = min(start + _BLOCK, row.size)
        if not _any_from(row, start, stop, worst):
            continue
        for i in range(start, stop):
            if not row[i] >= worst:
                continue
            place = shuffled(np.uint64(first + i) ^ word)
            if n == k and row[i] == worst and place > last:
                continue
            while lo < hi and indices[lo] < i:
                lo += 1
            if lo < hi and indices[lo] == i:
                continue
            n = keep(best, places, ids, n, row[i], place, i)
            if n == k:
                worst, last = best[0], places[0]
    return n


@kernel
def _top_k(scores, queries, indptr, indices, words, first, best, ids, start, stop):
    places = np.empty(best.shape[1], np.uint64)
    for r in range(start, stop):
        lo, hi = np.int64(0), np.int64(0)
        if queries.size:
            lo, hi = indptr[queries[r]], indptr[queries[r] + 1]
        n = _row(scores[r], indices, lo, hi, words[r], first, best[r], places, ids[r])
        finish(best[r], places, ids[r], n)


def top_k(
    scores: Tensor, k: int, exclude: Csr | None, queries: Tensor | None, words: Tensor, first: int
) -> tuple[Tensor, Tensor]:
    values, members, hashes = array(scores, np.float32), sets(exclude, queries), array(words, np.int64).view(np.uint64)
    ids, best = np.full((len(values), k), -1, np.int64), np.full((len(values), k), -np.inf, np.float32)
    if k:
        by_chunks(lambda a, b: _top_k(values, *members, hashes, first, best, ids, a, b), len(ids), values.shape[1])
    return torch.from_numpy(ids), torch.from_numpy(best)
