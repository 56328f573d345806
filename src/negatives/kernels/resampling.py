"""Draws among the slots of each row by the softmax of their logits."""

from __future__ import annotations

from torch import Tensor

from negatives.kernels.checks import same
from negatives.kernels.dispatch import serve


def resample(logits: Tensor, ok: Tensor | None, examples: Tensor, k: int, key: int) -> tuple[Tensor, Tensor]:
    """Draw ``k`` slots of each row, with replacement, with chances ``softmax(logits)`` over the allowed slots.

    Draw ``(row, i)`` inverts the running sum, in float64, of the exponentials at a uniform number that hashes
    ``(key, examples[row], i)``. Where that number falls on the border of two slots to within the rounding of the
    exponentials, implementations may choose differently.

    Args:
        logits: ``(rows, m)`` float32.
        ok: ``(rows, m)`` bool; None for all.
        examples: ``(rows,)`` int64.
        k: Draws per row.
        key: Random stream.

    Returns:
        Slots ``(rows, k)`` int64 and their chances ``(rows, k)`` float32. In rows without any allowed slot they are
        ``m - 1`` and 0.

    >>> import torch
    >>> resample(torch.tensor([[0.0, 99.0]]), None, torch.tensor([0]), 2, 7)
    (tensor([[1, 1]]), tensor([[1., 1.]]))
    """
    same(examples.numel(), logits.shape[0], "examples and rows of logits")
    if ok is not None:
        same(ok.shape, logits.shape, "ok and logits")
    found: tuple[Tensor, Tensor] = serve("resampling", logits).resample(logits.detach(), ok, examples, k, key)
    return found
