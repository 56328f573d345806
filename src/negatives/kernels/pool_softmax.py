"""The façade over the kernel for a softmax over a shared pool."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.dispatch import serve


def pool_softmax_(
    scores: Tensor, positive: Tensor | None, scale: float, bias: Tensor | None = None, ok: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Loss of each row and all gradients; the gradient of ``scores`` takes their place.

    ``l = softplus(log sum_j ok_j exp(a s_j + b_j) - a s+)``; zero with zero gradient where nothing is allowed.

    Args:
        scores: ``(rows, m)`` contiguous float32 or bfloat16; changed in place.
        positive: ``(rows,)`` scores of the positives; None leaves them out, and the loss is the log of the sum.
        scale: ``a``.
        bias: ``b``, ``(rows, m)`` or ``(m,)``.
        ok: ``(rows, m)`` bool.

    Returns:
        Losses ``(rows,)`` and the gradient of the positives ``(rows,)``, float32.

    Raises:
        ValueError: The scores cannot be changed in place.

    >>> scores = torch.zeros(1, 2)
    >>> losses, grad = pool_softmax_(scores, torch.zeros(1), 1.0)
    >>> round(float(losses), 4), round(float(grad), 4), [round(one, 4) for one in scores[0].tolist()]
    (1.0986, -0.6667, [0.3333, 0.3333])
    """
    if not scores.is_contiguous() or scores.dtype not in (torch.float32, torch.bfloat16):
        raise ValueError("scores that are changed in place must be contiguous float32 or bfloat16")
    kernel = serve("pool_softmax", scores)
    found: tuple[Tensor, Tensor] = kernel.pool_softmax_(scores, positive, scale, bias, ok)
    return found
