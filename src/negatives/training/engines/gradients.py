"""From a loss to the gradients of the scores that it was given."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.losses.base import Loss
from negatives.types import Negatives


def differentiate(
    loss: Loss, positive: Tensor, negative: Tensor, negatives: Negatives, owner: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The summed loss, and its gradient with respect to the scores ``(rows,)`` and ``(rows, k)``.

    Args:
        loss: What is differentiated.
        positive: ``(rows,)`` scores of the positives.
        negative: ``(rows, k)`` scores of the negatives, or ``(groups, k)`` with ``owner``.
        negatives: What the sampler returned; with ``owner`` as :meth:`Loss.grouped` takes it.
        owner: ``(rows,)`` group of each row, where rows share their negatives in groups.
    """
    leaves = positive.detach().requires_grad_(), negative.detach().requires_grad_()
    with torch.enable_grad():
        rows = loss.rows(*leaves, negatives) if owner is None else loss.grouped(*leaves, negatives, owner)
        total = rows.sum()
    grad_positive, grad_negative = torch.autograd.grad(total, leaves)
    return total.detach(), grad_positive, grad_negative


def differentiate_pool_(
    loss: Loss, positive: Tensor, scores: Tensor, negatives: Negatives, step: int
) -> tuple[Tensor, Tensor]:
    """The summed loss and the gradient of the positives; that of a shared pool's scores takes their place.

    Args:
        loss: What is differentiated.
        positive: ``(rows,)`` scores of the positives.
        scores: ``(rows, m)`` scores of the pool, float32 or bfloat16.
        negatives: What the sampler returned for these rows.
        step: Rows that PyTorch differentiates at a time, where the loss has no kernel.
    """
    fused = loss.fused_(positive, scores, negatives)
    if fused is not None:
        return fused[0].sum(), fused[1]
    total, grads = torch.zeros((), device=scores.device), []
    for at in range(0, len(scores), step):
        rows = slice(at, at + step)
        losses, grad, scores[rows] = differentiate(loss, positive[rows], scores[rows].float(), negatives.take(rows))
        total += losses
        grads.append(grad)
    return total, torch.cat(grads)
