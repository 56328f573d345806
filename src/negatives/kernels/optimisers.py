"""Optimisers that move only the rows that a batch has touched."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.checks import same
from negatives.kernels.dispatch import serve


def sgd_rows_(table: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float = 0.0) -> None:
    """``x -= lr (g + weight_decay x)`` on the distinct ``rows`` ``(u,)`` of ``table``, in place."""
    same(grad.shape, (rows.numel(), table.shape[1]), "gradient and touched rows")
    serve("optimisers", rows).sgd_rows_(table.detach(), rows, grad, lr, weight_decay)


def adagrad_rows_(
    table: Tensor,
    accumulator: Tensor,
    rows: Tensor,
    grad: Tensor,
    lr: float,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
) -> None:
    """Adagrad (Duchi et al., 2011) on the distinct ``rows`` of ``table``, in place."""
    same(grad.shape, (rows.numel(), table.shape[1]), "gradient and touched rows")
    same(accumulator.shape, table.shape, "accumulator and table")
    serve("optimisers", rows).adagrad_rows_(table.detach(), accumulator, rows, grad, lr, weight_decay, eps)


def adam_rows_(
    table: Tensor,
    moments: tuple[Tensor, Tensor],
    rows: Tensor,
    grad: Tensor,
    lr: float,
    step: int,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> None:
    """Lazy Adam as in ``torch.optim.SparseAdam``: only the touched ``rows`` and their moments move.

    Args:
        table: ``(n, d)``.
        moments: First and second moments, each ``(n, d)``.
        rows: ``(u,)`` distinct rows.
        grad: ``(u, d)``.
        lr: Step size.
        step: Number of this update, counted from one, for the bias correction.
        weight_decay: L2 factor added to the gradient.
        betas: Decay of the moments.
    """
    same(grad.shape, (rows.numel(), table.shape[1]), "gradient and touched rows")
    for moment in moments:
        same(moment.shape, table.shape, "moment and table")
    serve("optimisers", rows).adam_rows_(table.detach(), moments, rows, grad, lr, step, weight_decay, betas)
