"""Scores of gathered rows by inner product or distance, and their gradients.

Pairs are taken in the order of their items, sorted by counting: an item's row is read once for all the queries that it
is compared with, while their vectors stay in the cache. Threads share the backward pass by columns, so that each sum
is made in one order whatever their number.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import Array, array, fast_kernel, index, inner_kernel, kernel
from negatives.kernels.jit.members import scratch, spoil
from negatives.kernels.threads import by_chunks, by_columns, by_weight

CODES = {"dot": 0, "l1": 1, "l2": 2, "modulus": 3}
TILE = 32
"""Items whose vectors are compared with many queries while they lie in the cache."""
_TINY = np.float32(1e-9)


@fast_kernel
def _dot(a, b):
    total = np.float32(0)
    for c in range(a.size):
        total += a[c] * b[c]
    return total


@fast_kernel
def _l1(a, b):
    total = np.float32(0)
    for c in range(a.size):
        total += abs(a[c] - b[c])
    return -total


@fast_kernel
def _l2(a, b):
    total = np.float32(0)
    for c in range(a.size):
        total += (a[c] - b[c]) * (a[c] - b[c])
    return -np.sqrt(total)


@fast_kernel
def _modulus(a, b):
    half = a.size // 2
    total = np.float32(0)
    for c in range(half):
        x, y = a[c] - b[c], a[half + c] - b[half + c]
        total += np.sqrt(x * x + y * y)
    return -total


@inner_kernel
def _score(code, a, b):
    if code == 0:
        return _dot(a, b)
    if code == 1:
        return _l1(a, b)
    if code == 2:
        return _l2(a, b)
    return _modulus(a, b)


@inner_kernel
def _number(targets, slot, distinct, starts, place):
    """Number the items in order of first use; ``starts`` ends each one's entries. ``slot`` is all -1 again after."""
    n = 0
    for p in range(targets.size):
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
def _arrange(place, starts, entries):
    at = starts.copy()
    for p in range(place.size):
        entries[at[place[p]]] = p
        at[place[p]] += 1


@dataclass(slots=True)
class Order:
    """Pairs in the order of their items.

    Args:
        items: ``(u,)`` int64 distinct items in order of first use.
        starts: ``(u + 1,)`` int64, where the pairs of each begin in ``entries``.
        entries: ``(pairs,)`` int32 places of the pairs in ``ids``, flattened.
    """

    items: Array
    starts: Array
    entries: Array


def arranged(ids: Array, size: int) -> Order:
    """Sort pairs by item; ``ids`` ``(rows, k)`` lie below ``size``."""
    targets = ids.reshape(-1)
    most = min(size, targets.size)
    distinct, starts = np.empty(most, np.int64), np.zeros(most + 1, np.int64)
    place, entries = np.empty(targets.size, np.int32), np.empty(targets.size, np.int32)
    try:
        n = _number(targets, scratch(size), distinct, starts, place)
    except BaseException:
        spoil()
        raise
    _arrange(place, starts[: n + 1], entries)
    return Order(distinct[:n], starts[: n + 1], entries)


@inner_kernel
def _pairs(code, vectors, table, items, starts, entries, k, out, start, stop):
    for u in range(start, stop):
        row = table[items[u]]
        for p in range(starts[u], starts[u + 1]):
            out[entries[p]] = _score(code, vectors[entries[p] // k], row)


@inner_kernel
def _pool(code, vectors, pool, out, start, stop):
    for first in range(0, len(pool), TILE):
        last = min(first + TILE, len(pool))
        for r in range(start, stop):
            for j in range(first, last):
                out[r, j] = _score(code, vectors[r], pool[j])


@inner_kernel
def _both_dot(w, a, b, y, z):
    for c in range(a.size):
        y[c] += w * b[c]
        z[c] += w * a[c]


@inner_kernel
def _both_l1(w, a, b, y, z):
    for c in range(a.size):
        x = a[c] - b[c]
        s = w if x > np.float32(0) else (-w if x < np.float32(0) else np.float32(0))
        y[c] -= s
        z[c] += s


@inner_kernel
def _both_l2(w, a, b, y, z):
    for c in range(a.size):
        s = w * (a[c] - b[c])
        y[c] -= s
        z[c] += s


@inner_kernel
def _share(w, a, b, a2, b2, share):
    """``w`` over the moduli. The loops are apart because a compiler does not vectorise one over so many arrays."""
    for c in range(a.size):
        p, q = a[c] - b[c], a2[c] - b2[c]
        share[c] = w / (np.sqrt(p * p + q * q) + _TINY)


@inner_kernel
def _both_shared(share, a, b, y, z):
    for c in range(a.size):
        s = share[c] * (a[c] - b[c])
        y[c] -= s
        z[c] += s


@inner_kernel
def _backward(code, vectors, table, items, starts, entries, k, weights, rows, sums, share, start, stop):
    """Columns ``start`` to ``stop`` of both gradients; for complex vectors of both halves."""
    half = vectors.shape[1] // 2
    rows[:, start:stop] = np.float32(0)
    if code == 3:
        rows[:, half + start : half + stop] = np.float32(0)
    for u in range(items.size):
        b, z = table[items[u], start:stop], sums[u, start:stop]
        z[:] = np.float32(0)
        if code == 3:
            b2, z2 = table[items[u], half + start : half + stop], sums[u, half + start : half + stop]
            z2[:] = np.float32(0)
            for p in range(starts[u], starts[u + 1]):
                w, r = weights[entries[p]], entries[p] // k
                if w != np.float32(0):
                    a, y = vectors[r, start:stop], rows[r, start:stop]
                    a2, y2 = vectors[r, half + start : half + stop], rows[r, half + start : half + stop]
                    _share(w, a, b, a2, b2, share)
                    _both_shared(share, a, b, y, z)
                    _both_shared(share, a2, b2, y2, z2)
            continue
        for p in range(starts[u], starts[u + 1]):
            w, r = weights[entries[p]], entries[p] // k
            if w != np.float32(0):
                a, y = vectors[r, start:stop], rows[r, start:stop]
                if code == 0:
                    _both_dot(w, a, b, y, z)
                elif code == 1:
                    _both_l1(w, a, b, y, z)
                else:
                    _both_l2(w, a, b, y, z)


@kernel
def _add_rows(items, sums, n, ids, rows, slot):
    """Add ``rows`` to the sums of their items; new items follow the others. Gives how many there are then."""
    for u in range(n):
        slot[items[u]] = u
    for p in range(ids.size):
        at = slot[ids[p]]
        if at < 0:
            at = n
            slot[ids[p]] = n
            items[n] = ids[p]
            sums[n, :] = np.float32(0)
            n += 1
        for c in range(sums.shape[1]):
            sums[at, c] += rows[p, c]
    for u in range(n):
        slot[items[u]] = -1
    return n


def pair_scores(vectors: Tensor, table: Tensor, ids: Tensor, kind: str) -> Tensor:
    a, b = array(vectors, np.float32), array(table, np.float32)
    cols, code = index(ids, len(b), "item ids"), CODES[kind]
    order, k = arranged(cols, len(b)), np.int32(cols.shape[1])
    out = np.empty(cols.size, np.float32)
    parts = order.items, order.starts, order.entries
    by_weight(lambda i, j: _pairs(code, a, b, *parts, k, out, i, j), order.starts, a.shape[1] // 4)
    return torch.from_numpy(out).view(ids.shape)


def pool_scores(vectors: Tensor, pool: Tensor, kind: str) -> Tensor:
    a, b, code = array(vectors, np.float32), array(pool, np.float32), CODES[kind]
    out = np.empty((len(a), len(b)), np.float32)
    by_chunks(lambda start, stop: _pool(code, a, b, out, start, stop), len(a), len(b) * a.shape[1] // 4)
    return torch.from_numpy(out)


def pair_backward(
    vectors: Tensor, table: Tensor, ids: Tensor, scores: Tensor, grad: Tensor, kind: str, spare: int
) -> tuple[Tensor, Tensor, Tensor, int]:
    a, b = array(vectors, np.float32), array(table, np.float32)
    cols, code = index(ids, len(b), "item ids"), CODES[kind]
    order, k = arranged(cols, len(b)), np.int32(cols.shape[1])
    if kind == "l2":
        grad = grad / (-scores).clamp(min=float(_TINY))
    weights = array(grad, np.float32).reshape(-1)
    n, d = len(order.items), a.shape[1]
    rows, sums = np.empty(a.shape, np.float32), np.empty((n + spare, d), np.float32)
    parts = order.items, order.starts, order.entries
    columns = d // 2 if kind == "modulus" else d
    cost = weights.size * (4 if kind == "modulus" else 1) // 2
    fixed = code, a, b, *parts, k, weights, rows, sums
    by_columns(lambda i, j: _backward(*fixed, np.empty(j - i, np.float32), i, j), columns, cost)
    items = np.empty(n + spare, np.int64)
    items[:n] = order.items
    return torch.from_numpy(rows), torch.from_numpy(items), torch.from_numpy(sums), n


def add_rows(items: Tensor, sums: Tensor, n: int, ids: Tensor, rows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    more, values = index(ids, size, "ids"), array(rows, np.float32)
    try:
        n = int(_add_rows(items.numpy(), sums.numpy(), n, more, values, scratch(size)))
    except BaseException:
        spoil()
        raise
    return items[:n], sums[:n]
