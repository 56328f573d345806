"""The best items of each query: tiles of scores that never leave the processor's caches, and a heap for each query."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import Array, array, index, inner_kernel, kernel
from negatives.kernels.jit.members import is_known, sets
from negatives.kernels.jit.mix import shuffled
from negatives.kernels.jit.tile import AHEAD, LANES, TALL, WIDTH, line, pack, tile
from negatives.kernels.jit.topk import LEAST, better, finish, keep
from negatives.kernels.threads import LEAST as WORTH
from negatives.kernels.threads import LINE, SPREAD, by_chunks, threads
from negatives.types import Csr

_TOGETHER = 1024
"""Queries that share a reading of the items; their vectors and heaps fit the second cache."""
_APART = 256
"""Queries for which a reading of the items of their own costs little beside the products."""


@kernel
def _aligned(rows, width):
    """``(rows, width)`` float32 that begins at a cache line."""
    space = np.empty(rows * width + LINE, np.float32)
    skip = (-space.ctypes.data % (4 * LINE)) // 4
    return space[skip : skip + rows * width].reshape(rows, width)


@inner_kernel
def _choose(scores, which, least, word, known, heap, n):
    """Put the scores of one query that reach ``least`` into its heap; gives how many it holds."""
    best, places, ids = heap
    for j in range(which.size):
        if not scores[j] >= least:
            continue
        value, item = scores[j] + np.float32(0), which[j]
        place = np.uint32(shuffled(np.uint64(item) ^ word))
        if n == best.size and not better(value, place, best[0], places[0]):
            continue
        if not is_known(known, 0, known.size, item):
            n = keep(best, places, ids, n, value, place, item)
    return n


@inner_kernel
def _tiles(queries, items, only, sets, words, heaps, state, space, start, stop, first, last):
    """Put the candidates from ``first`` to ``last`` into the heaps of the queries from ``start`` to ``stop``.

    The score that a candidate must reach is shared by all parts: whatever is below the worst of a full heap of one part
    is not among the best of all.
    """
    rows, indptr, indices = sets
    best, places, ids = heaps
    counts, least = state
    panel, scores, which = space
    alone, width = panel.shape[1] == LANES, panel.shape[1]
    for t in range(first, last, width):
        for j in range(which.size):
            at = min(t + j, last - 1)
            which[j] = only[at] if only.size else at
        pack(items, which, panel)
        some = which[: min(width, last - t)]
        for r in range(start, stop, TALL):
            if alone:
                marks = line(queries, r, stop, panel, least, scores)
            else:
                marks = tile(queries, r, stop, panel, least, scores)
            if marks == 0:
                continue
            for q in range(r, min(r + TALL, stop)):
                if (marks >> (q - r)) & 1:
                    known = indices[indptr[rows[q]] : indptr[rows[q] + 1]] if rows.size else indices
                    heap = best[q], places[q], ids[q]
                    counts[q] = _choose(scores[q - r], some, least[q], words[q], known, heap, counts[q])
                    if counts[q] == best.shape[1]:
                        least[q] = max(least[q], best[q, 0])


@kernel
def _search(queries, items, only, sets, words, heaps, least, start, stop, first, last):
    """:func:`_tiles` for as many queries at a time as should share a reading of the items."""
    width = LANES if stop - start == 1 else WIDTH
    space = _aligned(items.shape[1], width), _aligned(TALL, width), np.empty(width + AHEAD, np.int64)
    state = np.zeros(stop, np.int64), least
    for a in range(start, stop, _TOGETHER):
        b = min(stop, a + _TOGETHER)
        _tiles(queries, items, only, sets, words, heaps, state, space, a, b, first, last)


@inner_kernel
def _merge(heaps, start, stop):
    """Move the heaps of all parts into the first one's, and sort them."""
    best, places, ids = heaps
    k = best.shape[2]
    for r in range(start, stop):
        n = 0
        while n < k and ids[0, r, n] >= 0:
            n += 1
        for part in range(1, len(best)):
            for j in range(k):
                value, place, item = best[part, r, j], places[part, r, j], ids[part, r, j]
                if item < 0:
                    break
                if n < k or better(value, place, best[0, r, 0], places[0, r, 0]):
                    n = keep(best[0, r], places[0, r], ids[0, r], n, value, place, item)
        finish(best[0, r], places[0, r], ids[0, r], n)


def _grid(n: int, work: int) -> tuple[int, int]:
    """Parts of the queries and parts of the candidates, for all threads: of the latter as few as there may be."""
    tasks = max(1, min(SPREAD * threads(), work // WORTH))
    blocks = max(1, min(tasks, n // _APART))
    return blocks, -(-tasks // blocks)


def best(
    queries: Tensor, items: Tensor, k: int, exclude: Csr | None, rows: Tensor | None, words: Tensor, only: Tensor | None
) -> tuple[Tensor, Tensor]:
    vectors, table = array(queries, np.float32), array(items, np.float32)
    chosen: Array = np.empty(0, np.int64) if only is None else index(only, len(table), "only")
    members, hashes = sets(exclude, rows), array(words, np.int64).view(np.uint64)
    n, m = len(vectors), len(table) if only is None else len(chosen)
    work = n * m * max(1, vectors.shape[1]) // LINE
    blocks, parts = _grid(n, work)
    heaps = (
        np.full((parts, n, k), -np.inf, np.float32),
        np.empty((parts, n, k), np.uint32),
        np.full((parts, n, k), -1, np.int64),
    )
    least = np.full(n, LEAST, np.float32)

    def search(begin: int, end: int) -> None:
        for task in range(begin, end):
            block, part = divmod(task, parts)
            own, which = tuple(heap[part] for heap in heaps), (n * block // blocks, n * (block + 1) // blocks)
            ends = m * part // parts, m * (part + 1) // parts
            _search(vectors, table, chosen, members, hashes, own, least, *which, *ends)

    if k and n and m:
        by_chunks(search, blocks * parts, work // (blocks * parts))
        by_chunks(lambda a, b: _merge(heaps, a, b), n, parts * k)
    return torch.from_numpy(heaps[2][0]), torch.from_numpy(heaps[0][0])
