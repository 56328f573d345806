"""Optimisers, one row at a time."""

from __future__ import annotations

from torch import Tensor


def sgd_rows_(table: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float) -> None:
    for row, g in zip(rows.tolist(), grad, strict=True):
        table[row] -= lr * (g + weight_decay * table[row])


def adagrad_rows_(
    table: Tensor, accumulator: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float, eps: float
) -> None:
    for row, value in zip(rows.tolist(), grad, strict=True):
        g = value + weight_decay * table[row]
        accumulator[row] += g * g
        table[row] -= lr * g / (accumulator[row].sqrt() + eps)


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
    first, second = moments
    for row, value in zip(rows.tolist(), grad, strict=True):
        g = value + weight_decay * table[row]
        first[row] = betas[0] * first[row] + (1 - betas[0]) * g
        second[row] = betas[1] * second[row] + (1 - betas[1]) * g * g
        rate = lr * (1 - betas[1] ** step) ** 0.5 / (1 - betas[0] ** step)
        table[row] -= rate * first[row] / (second[row].sqrt() + 1e-8)
