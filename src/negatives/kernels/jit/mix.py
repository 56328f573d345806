"""The hash behind all random numbers of the kernels; the same as in :mod:`negatives.randomness`."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from negatives.kernels.jit.compile import inline_kernel
from negatives.randomness import MIX_1, MIX_2

_M1, _M2 = np.uint64(MIX_1), np.uint64(MIX_2)
_27, _30, _31, _32 = (np.uint64(by) for by in (27, 30, 31, 32))


@inline_kernel
def mix(z):
    z = (z ^ (z >> _30)) * _M1
    z = (z ^ (z >> _27)) * _M2
    return z ^ (z >> _31)


@inline_kernel
def upper(h, bound):
    """Multiply-shift: an integer in ``[0, bound)`` from the upper 32 bits."""
    return np.int64(((h >> _32) * bound) >> _32)
