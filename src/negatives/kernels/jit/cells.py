"""Count co-occurrence in a hash table, and fit vectors to its cells by row-wise Adagrad without locks."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from torch import Tensor

from negatives.kernels.cells import Cells, Zeros
from negatives.kernels.jit.compile import array, fast_kernel, in_place, index, inner_kernel
from negatives.kernels.jit.mix import mix
from negatives.kernels.threads import by_chunks
from negatives.types import Negatives

_ZERO, _ONE = np.float32(0), np.float32(1)


@inner_kernel
def _count(tokens, bounds, window, n_words, keys, values):
    last, fresh = np.uint64(keys.size - 1), 0
    for s in range(bounds.size - 1):
        for p in range(bounds[s], bounds[s + 1]):
            for q in range(p + 1, min(bounds[s + 1], p + window + 1)):
                a, b = min(tokens[p], tokens[q]), max(tokens[p], tokens[q])
                code = np.int64(a) * n_words + b
                slot = mix(np.uint64(code)) & last
                while keys[slot] != code and keys[slot] >= 0:
                    slot = (slot + np.uint64(1)) & last
                if keys[slot] < 0:
                    keys[slot] = code
                    fresh += 1
                values[slot] += _ONE / np.float32(q - p)
    return fresh


@inner_kernel
def _insert(codes, counts, keys, values):
    last = np.uint64(keys.size - 1)
    for p in range(codes.size):
        slot = mix(np.uint64(codes[p])) & last
        while keys[slot] >= 0:
            slot = (slot + np.uint64(1)) & last
        keys[slot], values[slot] = codes[p], counts[p]


@fast_kernel
def _products(x, i, y, j, n):
    """``<x, y>`` over all columns, and ``|x|^2`` and ``|y|^2`` over all but the last two."""
    total = of_x = of_y = _ZERO
    for c in range(n - 2):
        total += x[i, c] * y[j, c]
        of_x += x[i, c] * x[i, c]
        of_y += y[j, c] * y[j, c]
    return total + x[i, n - 2] * y[j, n - 2] + x[i, n - 1] * y[j, n - 1], of_x, of_y


@fast_kernel
def _shift(x, i, y, j, of_x, of_y, d):
    for c in range(d):
        before = x[i, c]
        x[i, c] -= of_x * y[j, c]
        y[j, c] -= of_y * before


@inner_kernel
def _move(x, i, y, j, sx, sy, g, squares_x, squares_y, lr, d):
    """One step of row-wise Adagrad on row ``i`` and column ``j`` for the gradient ``g`` of their score."""
    sx[i, 0] += g * g * squares_y / np.float32(d)
    sy[j, 0] += g * g * squares_x / np.float32(d)
    _shift(x, i, y, j, lr * g / np.sqrt(sx[i, 0]), lr * g / np.sqrt(sy[j, 0]), d)
    sx[i, 1] += g * g
    sy[j, 1] += g * g
    x[i, d] -= lr * g / np.sqrt(sx[i, 1])
    y[j, d + 1] -= lr * g / np.sqrt(sy[j, 1])


@inner_kernel
def _fit(x, y, sx, sy, rows, cols, target, weight, ids, ok, share, floor, zero, lr, start, stop):
    n = x.shape[1]
    for r in range(start, stop):
        i = rows[r]
        score, of_x, of_y = _products(x, i, y, cols[r], n)
        _move(x, i, y, cols[r], sx, sy, weight[r] * (score - target[r]), of_x, of_y, lr, n - 2)
        for j in range(ids.shape[1]):
            if ok.size and not ok[r, j]:
                continue
            score, of_x, of_y = _products(x, i, y, ids[r, j], n)
            if score > floor:
                g = zero * (score - floor)
                if share.size:
                    g *= share[r, j]
                _move(x, i, y, ids[r, j], sx, sy, g, of_x, of_y, lr, n - 2)


def count_cells_(tokens: Tensor, bounds: Tensor, window: int, n_words: int, keys: Tensor, values: Tensor) -> int:
    return int(_count(array(tokens, np.int32), array(bounds, np.int64), window, n_words, keys.numpy(), values.numpy()))


def insert_cells_(codes: Tensor, counts: Tensor, keys: Tensor, values: Tensor) -> None:
    _insert(array(codes, np.int64), array(counts, np.float32), keys.numpy(), values.numpy())


def fit_cells_(
    tables: tuple[Tensor, Tensor],
    squares: tuple[Tensor, Tensor],
    cells: Cells,
    negatives: Negatives | None,
    zeros: Zeros,
    lr: float,
) -> None:
    x, y, sx, sy = (in_place(table) for table in (*tables, *squares))
    rows, cols = index(cells.rows, len(x), "rows"), index(cells.cols, len(y), "columns")
    ids, ok, share = np.empty((0, 0), np.int64), np.empty((0, 0), np.bool_), np.empty((0, 0), np.float32)
    if negatives is not None and zeros.weight:
        ids, ok = index(negatives.ids, len(y), "negatives"), array(negatives.ok, np.bool_)
        if negatives.weight is not None:
            share = array(negatives.weight, np.float32)
    fixed = (x, y, sx, sy, rows, cols, array(cells.target, np.float32), array(cells.weight, np.float32))
    zero = ids, ok, share, np.float32(zeros.target), np.float32(zeros.weight), np.float32(lr)
    by_chunks(lambda a, b: _fit(*fixed, *zero, a, b), len(rows), (1 + ids.shape[1]) * x.shape[1])
