"""Optimisers that move only the rows that a batch has touched."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from torch import Tensor

from negatives.kernels.jit.compile import array, in_place, index, inner_kernel
from negatives.kernels.threads import by_chunks


@inner_kernel
def _sgd(table, rows, grad, lr, decay, start, stop):
    for p in range(start, stop):
        x = table[rows[p]]
        for c in range(x.size):
            x[c] -= lr * (grad[p, c] + decay * x[c])


@inner_kernel
def _adagrad(table, accumulator, rows, grad, lr, decay, eps, start, stop):
    for p in range(start, stop):
        x, a = table[rows[p]], accumulator[rows[p]]
        for c in range(x.size):
            g = grad[p, c] + decay * x[c]
            a[c] += g * g
            x[c] -= lr * g / (np.sqrt(a[c]) + eps)


@inner_kernel
def _adam(table, first, second, rows, grad, rate, decay, b1, b2, eps, start, stop):
    one = np.float32(1)
    for p in range(start, stop):
        x, m, v = table[rows[p]], first[rows[p]], second[rows[p]]
        for c in range(x.size):
            g = grad[p, c] + decay * x[c]
            m[c] += (one - b1) * (g - m[c])
            v[c] += (one - b2) * (g * g - v[c])
            x[c] -= rate * m[c] / (np.sqrt(v[c]) + eps)


def sgd_rows_(table: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float) -> None:
    x, at, g = in_place(table), index(rows, len(table), "rows"), array(grad, np.float32)
    rate, decay = np.float32(lr), np.float32(weight_decay)
    by_chunks(lambda a, b: _sgd(x, at, g, rate, decay, a, b), len(at), x.shape[1])


def adagrad_rows_(
    table: Tensor, accumulator: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float, eps: float
) -> None:
    x, squares = in_place(table), in_place(accumulator)
    at, g = index(rows, len(table), "rows"), array(grad, np.float32)
    numbers = np.float32(lr), np.float32(weight_decay), np.float32(eps)
    by_chunks(lambda a, b: _adagrad(x, squares, at, g, *numbers, a, b), len(at), x.shape[1])


def adam_rows_(
    table: Tensor,
    moments: tuple[Tensor, Tensor],
    rows: Tensor,
    grad: Tensor,
    lr: float,
    step: int,
    weight_decay: float,
    betas: tuple[float, float],
) -> None:
    x, m, v = in_place(table), in_place(moments[0]), in_place(moments[1])
    at, g = index(rows, len(table), "rows"), array(grad, np.float32)
    rate = lr * (1 - betas[1] ** step) ** 0.5 / (1 - betas[0] ** step)
    numbers = [np.float32(value) for value in (rate, weight_decay, *betas, 1e-8)]
    by_chunks(lambda a, b: _adam(x, m, v, at, g, *numbers, a, b), len(at), x.shape[1])
