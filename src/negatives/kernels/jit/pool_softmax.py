"""Loss and gradient of a softmax over a shared pool, one row of scores at a time while it lies in the cache."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import array, kernel
from negatives.kernels.jit.softmax import _sum, _terms, exponentials, largest
from negatives.kernels.threads import by_chunks

_16, _ROUND, _ODD = np.int32(16), np.int32(0x7FFF), np.int32(1)
_ZERO, _ONE = np.float32(0), np.float32(1)


@kernel
def _row(scores, positive, inside, scale, bias, ok, masked, work):
    """Loss, gradient of the positive, and gradient of ``scores`` in place; ``work`` is room for one row."""
    x, bits, values, poly = work
    _terms(scores, scale, bias, ok, masked, x)
    top = largest(x)
    if top == np.float32(-np.inf):
        scores[:] = _ZERO
        return _ZERO, _ZERO
    exponentials(x, top, bits, values, poly)
    total = _sum(x)
    if not inside:
        factor = scale / total
        for c in range(x.size):
            scores[c] = x[c] * factor
        return np.log(total) + top, _ZERO
    gap = np.log(total) + top - positive * scale
    share = _ONE / (_ONE + np.exp(-gap))
    factor = share * scale / total
    for c in range(x.size):
        scores[c] = x[c] * factor
    return max(gap, _ZERO) + np.log1p(np.exp(-abs(gap))), -share * scale


@kernel
def _single(scores, positive, inside, scale, bias, ok, losses, grads, start, stop):
    k = scores.shape[1]
    bits = np.empty(k, np.int32)
    work = np.empty(k, np.float32), bits, bits.view(np.float32), np.empty(k, np.float32)
    for r in range(start, stop):
        more, allowed = bias[r % bias.shape[0]], ok[r % ok.shape[0]]
        losses[r], grads[r] = _row(scores[r], positive[r], inside, scale, more, allowed, ok.size > 0, work)


@kernel
def _half(scores, positive, inside, scale, bias, ok, losses, grads, start, stop):
    """``scores`` are the bits of bfloat16, the upper half of a float32; the gradient is rounded to the nearest even."""
    k = scores.shape[1]
    bits, whole = np.empty(k, np.int32), np.empty(k, np.int32)
    work = np.empty(k, np.float32), bits, bits.view(np.float32), np.empty(k, np.float32)
    row = whole.view(np.float32)
    for r in range(start, stop):
        for c in range(k):
            whole[c] = np.int32(scores[r, c]) << _16
        more, allowed = bias[r % bias.shape[0]], ok[r % ok.shape[0]]
        losses[r], grads[r] = _row(row, positive[r], inside, scale, more, allowed, ok.size > 0, work)
        for c in range(k):
            scores[r, c] = np.int16((whole[c] + _ROUND + ((whole[c] >> _16) & _ODD)) >> _16)


def pool_softmax_(
    scores: Tensor, positive: Tensor | None, scale: float, bias: Tensor | None, ok: Tensor | None
) -> tuple[Tensor, Tensor]:
    half = scores.dtype == torch.bfloat16
    given = (scores.view(torch.int16) if half else scores).numpy()
    rows, k = given.shape
    more = np.empty((1, 0), np.float32) if bias is None else np.atleast_2d(array(bias, np.float32))
    allowed = np.empty((1, 0), np.bool_) if ok is None else array(ok, np.bool_)
    losses, grads = np.empty(rows, np.float32), np.empty(rows, np.float32)
    mine = losses if positive is None else array(positive, np.float32)
    whole = given, mine, positive is not None, np.float32(scale), more, allowed, losses, grads
    run = _half if half else _single
    by_chunks(lambda a, b: run(*whole, a, b), rows, 2 * k)
    return torch.from_numpy(losses), torch.from_numpy(grads)
