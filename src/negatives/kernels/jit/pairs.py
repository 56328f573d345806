"""Gradient and plain update of pairs: one pass to read by rows, one to write by columns.

The first pass reads every row as it was at the start of the batch. In the second each thread owns some columns of
both tables and walks over all pairs, so nothing is sorted or summed beforehand, no two threads write to the same
number, and the order of additions does not depend on the number of threads.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import threading

import numpy as np
from torch import Tensor

from negatives.kernels.jit.compile import Array, array, in_place, index, inner_kernel
from negatives.kernels.jit.propagate import add_row
from negatives.kernels.threads import by_chunks, by_columns

_local = threading.local()


@inner_kernel
def _read(items, ids, grad, of_queries, start, stop):
    """The gradient of each row's query vector."""
    zero = np.float32(0)
    for r in range(start, stop):
        for c in range(of_queries.shape[1]):
            of_queries[r, c] = zero
        for j in range(ids.shape[1]):
            if grad[r, j] != zero:
                add_row(of_queries, r, grad[r, j], items, ids[r, j])


@inner_kernel
def _first_uses(queries, ids, grad, seen_queries, seen_items, first_query, first_item):
    """Which pairs are the first to touch their rows; ``seen`` is all False before and after."""
    zero = np.float32(0)
    for r in range(queries.size):
        used = False
        for j in range(ids.shape[1]):
            touches = grad[r, j] != zero
            first_item[r, j] = touches and not seen_items[ids[r, j]]
            if touches:
                seen_items[ids[r, j]] = True
                used = True
        first_query[r] = used and not seen_queries[queries[r]]
        if used:
            seen_queries[queries[r]] = True
    for r in range(queries.size):
        seen_queries[queries[r]] = False
        for j in range(ids.shape[1]):
            seen_items[ids[r, j]] = False


@inner_kernel
def _write(users, items, queries, ids, grad, of_queries, first_query, first_item, lr, keep, start, stop):
    """Items first, while the queries' rows are still as they were."""
    zero, one = np.float32(0), np.float32(1)
    for r in range(queries.size):
        u = queries[r]
        for j in range(ids.shape[1]):
            if grad[r, j] != zero:
                i, step = ids[r, j], lr * grad[r, j]
                kept = keep if first_item[r, j] else one
                for c in range(start, stop):
                    items[i, c] = kept * items[i, c] - step * users[u, c]
    for r in range(queries.size):
        u = queries[r]
        kept = keep if first_query[r] else one
        for c in range(start, stop):
            users[u, c] = kept * users[u, c] - lr * of_queries[r, c]


def _scratch(name: str, shape: tuple[int, ...], dtype: type) -> Array:
    """Memory that is kept from call to call; fresh pages would cost more than the work on them."""
    size = int(np.prod(shape))
    held: Array | None = getattr(_local, name, None)
    if held is None or held.size < size:
        held = np.zeros(size, dtype)
        setattr(_local, name, held)
    return held[:size].reshape(shape)


def sgd_pairs_(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor, lr: float, weight_decay: float
) -> None:
    users, items = in_place(query_table), in_place(item_table)
    rows, cols = index(queries, len(users), "queries"), index(ids, len(items), "item ids")
    weights, width = array(grad, np.float32), users.shape[1]
    of_queries = _scratch("of_queries", (len(rows), width), np.float32)
    by_chunks(lambda a, b: _read(items, cols, weights, of_queries, a, b), len(rows), cols.shape[1] * width // 2)
    first_query = _scratch("first_query", rows.shape, np.bool_)
    first_item = _scratch("first_item", cols.shape, np.bool_)
    if weight_decay:
        seen = _scratch("seen_queries", (len(users),), np.bool_), _scratch("seen_items", (len(items),), np.bool_)
        _first_uses(rows, cols, weights, *seen, first_query, first_item)
    else:
        first_query[:], first_item[:] = False, False
    numbers = np.float32(lr), np.float32(1 - lr * weight_decay)
    whole = users, items, rows, cols, weights, of_queries, first_query, first_item, *numbers
    by_columns(lambda a, b: _write(*whole, a, b), width, 2 * len(rows) * cols.shape[1])
