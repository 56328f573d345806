"""Count co-occurrence in a hash table, and fit vectors to its cells by Adagrad without locks."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from torch import Tensor

from negatives.kernels.cells import Cells, Zeros
from negatives.kernels.jit.compile import array, fast_kernel, in_place, index, kernel
from negatives.kernels.jit.draw import mix
from negatives.kernels.threads import by_chunks
from negatives.types import Negatives

_ZERO, _ONE = np.float32(0), np.float32(1)


@kernel
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


@kernel
def _insert(codes, counts, keys, values):
    last = np.uint64(keys.size - 1)
    for p in range(codes.size):
        slot = mix(np.uint64(codes[p])) & last
        while keys[slot] >= 0:
            slot = (slot + np.uint64(1)) & last
        keys[slot], values[slot] = codes[p], counts[p]


@fast_kernel
def _product(x, i, y, j, n):
    total = _ZERO
    for c in range(n):
        total += x[i, c] * y[j, c]
    return total


@fast_kernel
def _move(x, i, y, j, sx, sy, g, lr, d):
    """One step of Adagrad on row ``i`` and column ``j`` for the gradient ``g`` of their score."""
    for c in range(d):
        of_x, of_y = g * y[j, c], g * x[i, c]
        sx[i, c] += of_x * of_x
        sy[j, c] += of_y * of_y
        x[i, c] -= lr * of_x / np.sqrt(sx[i, c])
        y[j, c] -= lr * of_y / np.sqrt(sy[j, c])
    sx[i, d] += g * g
    x[i, d] -= lr * g / np.sqrt(sx[i, d])
    sy[j, d + 1] += g * g
    y[j, d + 1] -= lr * g / np.sqrt(sy[j, d + 1])


@kernel
def _fit(x, y, sx, sy, rows, cols, target, weight, ids, ok, share, floor, zero, lr, start, stop):
    n = x.shape[1]
    for r in range(start, stop):
        i = rows[r]
        g = weight[r] * (_product(x, i, y, cols[r], n) - target[r])
        _move(x, i, y, cols[r], sx, sy, g, lr, n - 2)
        for j in range(ids.shape[1]):
            if ok.size and not ok[r, j]:
                continue
            over = _product(x, i, y, ids[r, j], n) - floor
            if over > _ZERO:
                g = zero * over
                if share.size:
                    g *= share[r, j]
                _move(x, i, y, ids[r, j], sx, sy, g, lr, n - 2)


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
