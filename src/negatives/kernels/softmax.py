"""Exponentials of rows of scores."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.checks import same
from negatives.kernels.dispatch import serve


def exp_rows(
    scores: Tensor, scale: float, bias: Tensor | None = None, ok: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """``e_j = exp(scale x_j + b_j - t)`` per row, ``t`` the row's largest exponent, zero where not ok.

    Args:
        scores: ``(rows, k)`` float32.
        scale: Factor on all scores.
        bias: ``(rows, k)``, or ``(k,)`` for all rows alike.
        ok: ``(rows, k)`` bool; None for all.

    Returns:
        ``e`` ``(rows, k)``, its sums ``(rows, 1)``, and ``t`` ``(rows, 1)``, which is 0 in rows without any ok slot.

    >>> import torch
    >>> exp_rows(torch.tensor([[1.0, 3.0]]), 2.0)[2]
    tensor([[6.]])
    """
    if bias is not None:
        same(bias.shape[-1], scores.shape[1], "bias and scores")
    found: tuple[Tensor, Tensor, Tensor] = serve("softmax", scores).exp_rows(scores.detach(), scale, bias, ok)
    return found
