"""Gradient and plain update of pairs in two passes: by rows to read, by columns to write.

The first pass reads every row as it was at the start of the batch. In the second each thread owns some columns of
both tables and walks over all pairs, so nothing is sorted or summed beforehand, no two threads write to the same
number, and the order of additions does not depend on the number of threads.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from torch import Tensor

from negatives.kernels.jit.compile import array, in_place, index, kernel
from negatives.kernels.jit.propagate import _add
from negatives.kernels.threads import by_chunks, by_columns


@kernel
def _read(users, items, queries, ids, grad, before, of_queries, start, stop):
    """The query vectors as they are, and the gradient of each."""
    zero = np.float32(0)
    for r in range(start, stop):
        before[r] = users[queries[r]]
        total = of_queries[r]
        total[:] = zero
        for j in range(ids.shape[1]):
            if grad[r, j] != zero:
                _add(total, grad[r, j], items[ids[r, j]])


@kernel
def _shrink(table, rows, keep, seen, used, start, stop):
    """Scale each touched row once; ``seen`` is all False before and after."""
    for p in range(rows.size):
        if used[p] and not seen[rows[p]]:
            seen[rows[p]] = True
            x = table[rows[p], start:stop]
            for c in range(x.size):
                x[c] *= keep
    for p in range(rows.size):
        seen[rows[p]] = False


@kernel
def _write(users, items, queries, ids, grad, before, of_queries, lr, start, stop):
    zero = np.float32(0)
    for r in range(queries.size):
        _add(users[queries[r], start:stop], -lr, of_queries[r, start:stop])
        vector = before[r, start:stop]
        for j in range(ids.shape[1]):
            if grad[r, j] != zero:
                _add(items[ids[r, j], start:stop], -lr * grad[r, j], vector)


def sgd_pairs_(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor, lr: float, weight_decay: float
) -> None:
    users, items = in_place(query_table), in_place(item_table)
    rows, cols = index(queries, len(users), "queries"), index(ids, len(items), "item ids")
    weights, rate = array(grad, np.float32), np.float32(lr)
    before, of_queries = (np.empty((len(rows), users.shape[1]), np.float32) for _ in range(2))
    read = users, items, rows, cols, weights, before, of_queries
    by_chunks(lambda a, b: _read(*read, a, b), len(rows), cols.shape[1] * users.shape[1] // 4)
    if weight_decay:
        keep, used = np.float32(1 - lr * weight_decay), weights != 0
        for table, touched, where in ((users, rows, used.any(1)), (items, cols.reshape(-1), used.reshape(-1))):
            _shrink(table, touched, keep, np.zeros(len(table), np.bool_), where, 0, table.shape[1])
    by_columns(lambda a, b: _write(*read, rate, a, b), users.shape[1], len(rows) * cols.shape[1])
