"""Scores of gathered rows, their gradient, and sums of rows that share an index.

Entries are sorted by their target with a stable counting sort, and each target sums its own entries. So the
order of additions, and with it every bit, is the same whatever the number of threads.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import Array, array, fast_kernel, index, inner_kernel, kernel
from negatives.kernels.jit.members import scratch, spoil
from negatives.kernels.jit.propagate import product
from negatives.kernels.threads import by_chunks


@fast_kernel
def dot_rows(a, i, b, j):
    """Inner product of row ``i`` of ``a`` and row ``j`` of ``b``."""
    total = np.float32(0)
    for c in range(a.shape[1]):
        total += a[i, c] * b[j, c]
    return total


@inner_kernel
def _gather_scores(users, items, queries, ids, out, start, stop):
    for r in range(start, stop):
        for j in range(ids.shape[1]):
            out[r, j] = dot_rows(users, queries[r], items, ids[r, j])


@inner_kernel
def _group(targets, weights, slot, distinct, starts, place):
    """Number the targets in order of first use, and count the entries of each.

    ``place[p]`` becomes the number of entry ``p``'s target, or -1 where its weight is zero; ``starts[u + 1]``
    the count of target ``u``. ``slot`` is all -1 before and after.
    """
    n = 0
    for p in range(targets.size):
        if weights.size and weights[p] == np.float32(0):
            place[p] = -1
            continue
        at = slot[targets[p]]
        if at < 0:
            at = n
            slot[targets[p]] = n
            distinct[n] = targets[p]
            starts[n + 1] = 0
            n += 1
        starts[at + 1] += 1
        place[p] = at
    for u in range(n):
        slot[distinct[u]] = -1
        starts[u + 1] += starts[u]
    return n


@kernel
def _sort(place, weights, width, starts, cols, sorted_weights):
    """Entry ``p`` of source row ``p // width`` moves to its target's place, in order."""
    at = starts.copy()
    for r in range(place.size // width):
        for p in range(r * width, (r + 1) * width):
            u = place[p]
            if u >= 0:
                cols[at[u]] = r
                sorted_weights[at[u]] = weights[p] if weights.size else np.float32(1)
                at[u] += 1


def _sum_by_target(
    targets: Array, weights: Array, width: int, size: int, dense: Array, rows: Array | None = None
) -> tuple[Tensor, Tensor]:
    """Distinct ``targets`` and, for each, the weighted sum of the rows ``rows[p // width]`` of ``dense``."""
    most = min(size, targets.size)
    distinct, starts = np.empty(most, np.int64), np.zeros(most + 1, np.int64)
    place = np.empty(targets.size, np.int32)
    try:
        n = _group(targets, weights, scratch(size), distinct, starts, place)
    except BaseException:
        spoil()
        raise
    starts = starts[: n + 1]
    cols, sorted_weights = np.empty(int(starts[n]), np.int64), np.empty(int(starts[n]), np.float32)
    _sort(place, weights, width, starts, cols, sorted_weights)
    summed = product(starts, cols if rows is None else rows[cols], sorted_weights, dense)
    return torch.from_numpy(distinct[:n].copy()), torch.from_numpy(summed)


def gather_scores(query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor) -> Tensor:
    users, items = array(query_table, np.float32), array(item_table, np.float32)
    rows, cols = index(queries, len(users), "queries"), index(ids, len(items), "item ids")
    out = np.empty(cols.shape, np.float32)
    cost = cols.shape[1] * users.shape[1] // 4
    by_chunks(lambda a, b: _gather_scores(users, items, rows, cols, out, a, b), len(out), cost)
    return torch.from_numpy(out)


def score_backward(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    users, items = array(query_table, np.float32), array(item_table, np.float32)
    rows, cols = index(queries, len(users), "queries"), index(ids, len(items), "item ids")
    weights = array(grad, np.float32).reshape(-1)
    n, k = cols.shape
    flat = cols.reshape(-1)
    per_row = product(np.arange(n + 1, dtype=np.int64) * k, flat, weights, items)
    distinct, summed = _sum_by_target(flat, weights, max(k, 1), len(items), users, rows)
    return torch.from_numpy(per_row), distinct, summed


def sum_rows(target: Tensor, values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    return _sum_by_target(index(target, size, "index"), np.empty(0, np.float32), 1, size, array(values, np.float32))


def total_rows(target: Tensor, values: Tensor, size: int) -> Tensor:
    distinct, sums = sum_rows(target, values, size)
    return values.new_zeros(size, values.shape[1]).index_copy_(0, distinct, sums)
