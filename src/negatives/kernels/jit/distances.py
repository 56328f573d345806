"""Scores of gathered rows by distance, and their gradients; four comparisons, one loop each."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import Array, array, fast_kernel, index, kernel
from negatives.kernels.jit.members import scratch, spoil
from negatives.kernels.jit.propagate import product
from negatives.kernels.jit.scores import _dot, _group, _sort
from negatives.kernels.threads import by_chunks, by_weight

CODES = {"dot": 0, "l1": 1, "l2": 2, "modulus": 3}
TILE = 32
"""Items whose vectors are compared with many queries while they lie in the cache."""
_TINY = np.float32(1e-9)


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
    """Sum of the moduli of complex differences; the imaginary parts stand in the second half."""
    half = a.size // 2
    total = np.float32(0)
    for c in range(half):
        x, y = a[c] - b[c], a[half + c] - b[half + c]
        total += np.sqrt(x * x + y * y)
    return -total


@kernel
def _score(code, a, b):
    if code == 0:
        return _dot(a, b)
    if code == 1:
        return _l1(a, b)
    if code == 2:
        return _l2(a, b)
    return _modulus(a, b)


@kernel
def _pairs(code, vectors, table, ids, out, start, stop):
    for r in range(start, stop):
        vector = vectors[r]
        for j in range(ids.shape[1]):
            out[r, j] = _score(code, vector, table[ids[r, j]])


@kernel
def _pool(code, vectors, pool, out, start, stop):
    for first in range(0, len(pool), TILE):
        last = min(first + TILE, len(pool))
        for r in range(start, stop):
            for j in range(first, last):
                out[r, j] = _score(code, vectors[r], pool[j])


@kernel
def _add_l1(y, w, a, b):
    for c in range(y.size):
        x = a[c] - b[c]
        y[c] += w if x > np.float32(0) else (-w if x < np.float32(0) else np.float32(0))


@kernel
def _add_l2(y, w, a, b):
    for c in range(y.size):
        y[c] += w * (a[c] - b[c])


@kernel
def _add_modulus(y, w, a, b):
    half = y.size // 2
    for c in range(half):
        p, q = a[c] - b[c], a[half + c] - b[half + c]
        share = w / (np.sqrt(p * p + q * q) + _TINY)
        y[c] += share * p
        y[half + c] += share * q


@kernel
def _add(code, y, w, a, b):
    """``y += w`` times the gradient of the distance with respect to ``a``."""
    if code == 1:
        _add_l1(y, w, a, b)
    elif code == 2:
        _add_l2(y, w, a, b)
    else:
        _add_modulus(y, w, a, b)


@kernel
def _rows_backward(code, vectors, table, ids, grad, out, start, stop):
    for r in range(start, stop):
        y = out[r]
        y[:] = np.float32(0)
        for j in range(ids.shape[1]):
            if grad[r, j] != np.float32(0):
                _add(code, y, -grad[r, j], vectors[r], table[ids[r, j]])


@kernel
def _items_backward(code, vectors, table, extra, items, starts, cols, weights, out, start, stop):
    n = len(vectors)
    for u in range(start, stop):
        y, own = out[u], table[items[u]]
        y[:] = np.float32(0)
        for p in range(starts[u], starts[u + 1]):
            if cols[p] < n:
                _add(code, y, weights[p], vectors[cols[p]], own)
            else:
                more = extra[cols[p] - n]
                for c in range(y.size):
                    y[c] += more[c]


def _weights(scores: Tensor, grad: Tensor, kind: str) -> Array:
    """Gradient of the scores; for the Euclidean distance divided by it already."""
    if kind == "l2":
        grad = grad / (-scores).clamp(min=float(_TINY))
    return array(grad, np.float32)


def pair_scores(vectors: Tensor, table: Tensor, ids: Tensor, kind: str) -> Tensor:
    a, b = array(vectors, np.float32), array(table, np.float32)
    cols, code = index(ids, len(b), "item ids"), CODES[kind]
    out = np.empty(cols.shape, np.float32)
    cost = cols.shape[1] * a.shape[1] // 4
    by_chunks(lambda start, stop: _pairs(code, a, b, cols, out, start, stop), len(out), cost)
    return torch.from_numpy(out)


def pool_scores(vectors: Tensor, pool: Tensor, kind: str) -> Tensor:
    a, b, code = array(vectors, np.float32), array(pool, np.float32), CODES[kind]
    out = np.empty((len(a), len(b)), np.float32)
    by_chunks(lambda start, stop: _pool(code, a, b, out, start, stop), len(a), len(b) * a.shape[1] // 4)
    return torch.from_numpy(out)


def rows_backward(vectors: Tensor, table: Tensor, ids: Tensor, scores: Tensor, grad: Tensor, kind: str) -> Tensor:
    a, b = array(vectors, np.float32), array(table, np.float32)
    cols, weights, code = index(ids, len(b), "item ids"), _weights(scores, grad, kind), CODES[kind]
    n, k = cols.shape
    if kind == "dot":
        starts = np.arange(n + 1, dtype=np.int64) * k
        return torch.from_numpy(product(starts, cols.reshape(-1), weights.reshape(-1), b))
    out = np.empty((n, a.shape[1]), np.float32)
    cost = k * a.shape[1] // 4
    by_chunks(lambda start, stop: _rows_backward(code, a, b, cols, weights, out, start, stop), n, cost)
    return torch.from_numpy(out)


def items_backward(
    vectors: Tensor,
    table: Tensor,
    ids: Tensor,
    scores: Tensor,
    grad: Tensor,
    kind: str,
    extra_ids: Tensor,
    extra: Tensor,
) -> tuple[Tensor, Tensor]:
    a, b, more = array(vectors, np.float32), array(table, np.float32), array(extra, np.float32)
    width, size, code = max(ids.shape[1], 1), len(b), CODES[kind]
    targets = np.concatenate(
        [index(ids, size, "item ids").reshape(-1), np.repeat(index(extra_ids, size, "ids"), width)]
    )
    weights = np.zeros(targets.size, np.float32)
    weights[: ids.numel()] = _weights(scores, grad, kind).reshape(-1)
    weights[ids.numel() :: width] = 1  # one entry per extra row; the others are skipped
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
    items = distinct[:n].copy()
    if kind == "dot":
        summed = product(starts, cols, sorted_weights, np.concatenate([a, more]))
        return torch.from_numpy(items), torch.from_numpy(summed)
    out = np.empty((n, a.shape[1]), np.float32)
    by_weight(
        lambda start, stop: _items_backward(code, a, b, more, items, starts, cols, sorted_weights, out, start, stop),
        starts,
        a.shape[1] // 4,
    )
    return torch.from_numpy(items), torch.from_numpy(out)
