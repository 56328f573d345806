"""Naive twins of the kernels of co-occurrence cells: slow and obvious."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.cells import Cells, Zeros
from negatives.types import Negatives


def count_cells_(tokens: Tensor, bounds: Tensor, window: int, n_words: int, keys: Tensor, values: Tensor) -> int:
    held = {int(key): slot for slot, key in enumerate(keys.tolist()) if key >= 0}
    before = len(held)
    for start, stop in zip(bounds.tolist(), bounds[1:].tolist(), strict=False):
        words = tokens[start:stop].tolist()
        for p, a in enumerate(words):
            for distance, b in enumerate(words[p + 1 : p + 1 + window], 1):
                code = min(a, b) * n_words + max(a, b)
                if code not in held:
                    held[code] = int((keys < 0).nonzero()[0])
                    keys[held[code]] = code
                values[held[code]] += 1 / distance
    return len(held) - before


def insert_cells_(codes: Tensor, counts: Tensor, keys: Tensor, values: Tensor) -> None:
    free = (keys < 0).nonzero()[: codes.numel(), 0]
    keys[free], values[free] = codes, counts


def fit_cells_(
    tables: tuple[Tensor, Tensor],
    squares: tuple[Tensor, Tensor],
    cells: Cells,
    negatives: Negatives | None,
    zeros: Zeros,
    lr: float,
) -> None:
    for r, (i, j) in enumerate(zip(cells.rows.tolist(), cells.cols.tolist(), strict=True)):
        score = tables[0][i] @ tables[1][j]
        _move(tables, squares, i, j, cells.weight[r] * (score - cells.target[r]), lr)
        if negatives is None or not zeros.weight:
            continue
        for slot, n in enumerate(negatives.ids[r].tolist()):
            over = tables[0][i] @ tables[1][n] - zeros.target
            if negatives.ok[r, slot] and over > 0:
                share = 1.0 if negatives.weight is None else negatives.weight[r, slot]
                _move(tables, squares, i, n, zeros.weight * share * over, lr)


def _move(
    tables: tuple[Tensor, Tensor], squares: tuple[Tensor, Tensor], i: int, j: int, grad: Tensor, lr: float
) -> None:
    x, y = tables[0][i], tables[1][j]
    steps = [(x, y.clone(), squares[0][i], -2), (y, x.clone(), squares[1][j], -1)]
    for row, other, square, bias in steps:
        square[0] += grad**2 * other[:-2].square().mean()
        square[1] += grad**2
        row[:-2] -= lr * grad * other[:-2] / square[0].sqrt()
        row[bias] -= lr * grad / square[1].sqrt()
