"""Exponentials of rows of scores, one row at a time while it lies in the cache."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import array, fast_kernel, inner_kernel, largest_kernel
from negatives.kernels.threads import by_chunks

_LOG2_E = np.float32(1.4426950408889634)
_ZERO_BELOW = np.float32(-87.0)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
"""log 2 in two parts, so that its multiples lose nothing (Cody and Waite)."""
_C2, _C3, _C4, _C5, _C6 = (np.float32(1 / n) for n in (2, 6, 24, 120, 720))
"""The series of e^f, for ``|f| <= log(2) / 2``: relative error below 2e-7."""
_ONE, _HALF = np.float32(1), np.float32(0.5)


@inner_kernel
def _terms(scores, scale, bias, ok, masked, out):
    """``out = scale * scores + bias``, minus infinity where not ok."""
    low = np.float32(-np.inf)
    if bias.size:
        for j in range(scores.size):
            out[j] = scores[j] * scale + bias[j]
    else:
        for j in range(scores.size):
            out[j] = scores[j] * scale
    if masked:
        for j in range(scores.size):
            out[j] = out[j] if ok[j] else low


@largest_kernel
def largest(x):
    top = np.float32(-np.inf)
    for c in range(x.size):
        top = max(top, x[c])
    return top


@inner_kernel
def exponentials(x, top, bits, values, poly):
    """``x = exp(x - top)`` where ``x <= top``: a polynomial, times a power of two made of its bits.

    ``values`` is ``bits`` read as float32. Below e^-87 the result is zero; NaN stays NaN.
    """
    for c in range(x.size):
        d = x[c] - top
        d = _ZERO_BELOW if d < _ZERO_BELOW else d
        n = np.floor(d * _LOG2_E + _HALF)
        f = (d - n * _LN2_HIGH) - n * _LN2_LOW
        bits[c] = (np.int32(n) + np.int32(127)) << np.int32(23)
        poly[c] = _ONE + f * (_ONE + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * _C6)))))
    for c in range(x.size):
        x[c] = np.float32(0) if x[c] - top < _ZERO_BELOW else poly[c] * values[c]


@fast_kernel
def _sum(x):
    total = np.float32(0)
    for c in range(x.size):
        total += x[c]
    return total


@inner_kernel
def _exp_rows(scores, scale, bias, ok, out, totals, tops, bits, values, poly, start, stop):
    for r in range(start, stop):
        x = out[r]
        _terms(scores[r], scale, bias[r % bias.shape[0]], ok[r % ok.shape[0]], ok.size > 0, x)
        top = largest(x)
        if top == np.float32(-np.inf):
            top = np.float32(0)
        exponentials(x, top, bits, values, poly)
        totals[r], tops[r] = _sum(x), top


def exp_rows(scores: Tensor, scale: float, bias: Tensor | None, ok: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    given = array(scores, np.float32)
    rows = len(given)
    more = np.empty((1, 0), np.float32) if bias is None else np.atleast_2d(array(bias, np.float32))
    allowed = np.empty((1, 0), np.bool_) if ok is None else array(ok, np.bool_)
    out, totals, tops = (
        np.empty(given.shape, np.float32),
        np.empty((rows, 1), np.float32),
        np.empty((rows, 1), np.float32),
    )
    whole = given, np.float32(scale), more, allowed, out, totals[:, 0], tops[:, 0]

    def run(start: int, stop: int) -> None:
        bits = np.empty(given.shape[1], np.int32)
        _exp_rows(*whole, bits, bits.view(np.float32), np.empty(given.shape[1], np.float32), start, stop)

    by_chunks(run, rows, 2 * given.shape[1])
    return torch.from_numpy(out), torch.from_numpy(totals), torch.from_numpy(tops)
