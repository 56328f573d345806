"""The hash behind all random numbers of the kernels; the same as in :mod:`negatives.randomness`."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from negatives.kernels.jit.compile import compiler, inline_kernel
from negatives.randomness import MASK32, MIX_1, MIX_2, SHORT_1, SHORT_2

_M1, _M2 = np.uint64(MIX_1), np.uint64(MIX_2)
_27, _30, _31 = (np.uint64(by) for by in (27, 30, 31))
_S1, _S2, _SHORT = np.uint64(SHORT_1), np.uint64(SHORT_2), np.uint64(MASK32)
_15, _16 = np.uint64(15), np.uint64(16)


@inline_kernel
def mix(z):
    z = (z ^ (z >> _30)) * _M1
    z = (z ^ (z >> _27)) * _M2
    return z ^ (z >> _31)


@inline_kernel
def shuffled(x):
    """A one-to-one function on 32 bits; see :func:`negatives.randomness.ties`."""
    x = ((x ^ (x >> _16)) * _S1) & _SHORT
    x = ((x ^ (x >> _15)) * _S2) & _SHORT
    return x ^ (x >> _16)


def _high(typing_context, left, right):
    """The upper 64 bits of a product of 64-bit numbers, for which processors have one instruction."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(value, wide) for value in values))
        return builder.trunc(builder.lshr(product, wide(64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


def _high_uncompiled(left, right):
    return np.uint64(int(left) * int(right) >> 64)


_multiply_high: Any = _high_uncompiled if compiler.config.DISABLE_JIT else intrinsic(_high)


@inline_kernel
def upper(h, bound):
    """An integer in ``[0, bound)`` from all 64 bits, ``floor(h bound / 2^64)``: each from as many words but for one."""
    return np.int64(_multiply_high(h, bound))
