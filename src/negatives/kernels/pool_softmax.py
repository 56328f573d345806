"""The façade over the kernel for a softmax over a shared pool, and the softmax that never holds all of its scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from negatives.kernels.checks import same
from negatives.kernels.dispatch import serve

CELLS = {"cpu": 1 << 19}
"""Scores of one block by kind of device: on a CPU they stay in the cache."""
MANY = 1 << 24
"""Scores of one block elsewhere, 64 MiB: enough to keep a GPU busy."""


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


def pool_softmax(
    vectors: Tensor,
    positive: Tensor,
    pool: Tensor,
    scale: float = 1.0,
    bias: Tensor | None = None,
    ok: Tensor | None = None,
    *,
    block: int | None = None,
    compiled: bool = False,
) -> Tensor:
    """The loss of :func:`pool_softmax_` from vectors, without ever holding the scores of all rows with the pool.

    ``l = softplus(log sum_j ok_j exp(a <v, p_j> + b_j) - a s+)`` in blocks of rows: scored, summed and dropped, and
    scored again in the backward pass, as in Chen et al., 2016, "Training deep nets with sublinear memory cost".
    Memory grows with ``rows * d + block * m``, not with ``rows * m``; one matrix product is done twice. Under
    autocast both passes multiply in its format.

    Args:
        vectors: ``(rows, d)``; gradients flow to them.
        positive: ``(rows,)`` scores of the positives; gradients flow to them.
        pool: ``(m, d)`` vectors of the pool; gradients flow to them.
        scale: ``a``, one over the temperature.
        bias: ``b``, ``(rows, m)`` or ``(m,)``: ``-log(m q)`` where draws are to be corrected.
        ok: ``(rows, m)`` bool.
        block: Rows of a block; by default as many as keep the device busy.
        compiled: Let ``torch.compile`` fuse what is done to the scores of a block, where PyTorch does it: on any device
            but the CPU.

    Returns:
        ``(rows,)`` float32; zero, with zero gradient, where nothing is allowed.

    Raises:
        ValueError: Sizes differ, or a block has no row.

    >>> vectors = torch.tensor([[1.0, 0.0]], requires_grad=True)
    >>> loss = pool_softmax(vectors, torch.zeros(1), torch.eye(2))
    >>> loss.sum().backward()
    >>> round(float(loss.detach()), 4), [round(one, 4) for one in vectors.grad[0].tolist()]
    (1.5514, [0.5761, 0.2119])
    """
    same(vectors.shape[0], positive.shape[0], "vectors and positives")
    same(vectors.shape[1], pool.shape[1], "the width of vectors and pool")
    if block is None:
        block = max(1, CELLS.get(vectors.device.type, MANY) // max(len(pool), 1))
    if block < 1:
        raise ValueError(f"a block has at least one row, not {block}")
    kind = vectors.device.type
    half = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else vectors.dtype
    with torch.autocast(kind, enabled=False):
        operands = vectors.to(half), positive.float(), pool.to(half)
        losses: Tensor = _PoolSoftmax.apply(*operands, bias, ok, (scale, block, compiled))  # type: ignore[no-untyped-call]
    return losses


def _one_block(
    vectors: Tensor, pool: Tensor, positive: Tensor, scale: float, bias: Tensor | None, ok: Tensor | None, fused: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, the gradient of the positives, and that of the scores, of one block of rows."""
    scores = vectors @ pool.T
    scores = scores if scores.dtype == torch.bfloat16 else scores.float()
    kernel = serve("pool_softmax", scores)
    work = _compiled(kernel.pool_softmax_) if fused and kernel.__name__.endswith("tensor.pool_softmax") else None
    losses, of_positive = (work or kernel.pool_softmax_)(scores, positive, scale, bias, ok)
    return losses, of_positive, scores


@cache
def _compiled(work: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(work, dynamic=True)


class _PoolSoftmax(torch.autograd.Function):
    """See :func:`pool_softmax`; nothing of the size of the scores is kept between the passes."""

    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        positive: Tensor,
        pool: Tensor,
        bias: Tensor | None,
        ok: Tensor | None,
        how: tuple[float, int, bool],
    ) -> Tensor:
        ctx.save_for_backward(vectors, positive, pool, bias, ok)
        ctx.how = scale, block, fused = how
        losses = torch.empty(len(vectors), dtype=torch.float32, device=vectors.device)
        for rows, part in _blocks(vectors, positive, bias, ok, block):
            losses[rows] = _one_block(part[0], pool, part[1], scale, part[2], part[3], fused)[0]
        return losses

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        vectors, positive, pool, bias, ok = ctx.saved_tensors
        scale, block, fused = ctx.how
        of_vectors, of_positive = torch.empty_like(vectors), torch.empty_like(positive)
        of_pool = torch.zeros(pool.shape, dtype=torch.float32, device=pool.device)
        for rows, part in _blocks(vectors, positive, bias, ok, block):
            _, own, scores = _one_block(part[0], pool, part[1], scale, part[2], part[3], fused)
            of_positive[rows] = own * grad[rows]
            scores = scores.mul_(grad[rows, None]).to(vectors.dtype)
            of_vectors[rows] = scores @ pool
            of_pool += scores.T @ part[0]
        return of_vectors, of_positive, of_pool.to(pool.dtype), None, None, None


def _blocks(
    vectors: Tensor, positive: Tensor, bias: Tensor | None, ok: Tensor | None, block: int
) -> Iterator[tuple[slice, tuple[Tensor, Tensor, Tensor | None, Tensor | None]]]:
    """Rows that are done together, and their part of each argument."""
    for start in range(0, len(vectors), block):
        rows = slice(start, start + block)
        own = bias[rows] if bias is not None and bias.dim() == 2 else bias
        yield rows, (vectors[rows], positive[rows], own, None if ok is None else ok[rows])
