"""Optimisers that move only the rows that a batch has touched."""

from __future__ import annotations

from torch import Tensor


def sgd_rows_(table: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float) -> None:
    table[rows] -= lr * (grad + weight_decay * table[rows])


def adagrad_rows_(
    table: Tensor, accumulator: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float, eps: float
) -> None:
    grad = grad + weight_decay * table[rows]
    accumulator[rows] += grad * grad
    table[rows] -= lr * grad / (accumulator[rows].sqrt() + eps)


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
    grad = grad + weight_decay * table[rows]
    first, second = moments[0][rows].lerp_(grad, 1 - betas[0]), moments[1][rows].lerp_(grad * grad, 1 - betas[1])
    moments[0][rows], moments[1][rows] = first, second
    rate = lr * (1 - betas[1] ** step) ** 0.5 / (1 - betas[0] ** step)
    table[rows] -= rate * first / (second.sqrt() + 1e-8)
