"""What the kernels of this folder share: the hash, the search in a query's known items, and the launch.

A program works on a block of lanes, one for each number of the result. Hashes and searches give the same bits as
:mod:`negatives.randomness` and the loops for the CPU.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from negatives.randomness import EXAMPLE_STEP, MIX_1, MIX_2, SLOT_STEP

BLOCK = 256
"""Lanes of a program."""
_E, _S = tl.constexpr(EXAMPLE_STEP), tl.constexpr(SLOT_STEP)
_1, _2 = tl.constexpr(MIX_1), tl.constexpr(MIX_2)


def launch(kernel: Any, lanes: int, *args: Any) -> None:
    """Run a kernel with one lane for each of ``lanes``, on the device of its first tensor; the block comes last."""
    if lanes:
        with torch.cuda.device_of(args[0]):
            kernel[(triton.cdiv(lanes, BLOCK),)](*args, BLOCK)


def flat(*tensors: Tensor) -> list[Tensor]:
    """The tensors as kernels read them: one number after another."""
    return [tensor.contiguous() for tensor in tensors]


@triton.jit
def mix(value):
    """The finaliser of SplitMix64 on uint64."""
    value = (value ^ (value >> 30)) * _1
    value = (value ^ (value >> 27)) * _2
    return value ^ (value >> 31)


@triton.jit
def row_word(key, examples):
    """A row's part of the hash, from int64 examples."""
    return mix((examples.to(tl.uint64) * _E) ^ key.to(tl.uint64))


@triton.jit
def slot_word(row, slots):
    """64 hashed bits of each slot of a row."""
    return mix(row + slots.to(tl.uint64) * _S)


@triton.jit
def again(words):
    """Another 64 hashed bits for each word."""
    return mix(words + _E)


@triton.jit
def upper(words, bound):
    """``floor(h bound / 2^64)`` for a bound of at most 2^31, as int64."""
    bound = bound.to(tl.uint64)
    return (((words >> 32) * bound + (((words & 0xFFFFFFFF) * bound) >> 32)) >> 32).to(tl.int64)


@triton.jit
def sets_of(indptr, queries, live):
    """Start and end of each query's known items; two equal numbers where the lane is not live."""
    start = tl.load(indptr + queries, mask=live, other=0)
    return start, tl.load(indptr + queries + 1, mask=live, other=0)


@triton.jit
def is_known(indices, start, end, items):
    """Whether each item stands in the sorted ``indices[start:end]`` of its lane: binary search in all lanes at once."""
    lo, hi = start, end
    while tl.max((lo < hi).to(tl.int32), 0) > 0:
        open_ = lo < hi
        middle = (lo + hi) >> 1
        less = tl.load(indices + middle, mask=open_, other=0).to(tl.int64) < items
        lo, hi = tl.where(open_ & less, middle + 1, lo), tl.where(open_ & (less == 0), middle, hi)
    return (lo < end) & (tl.load(indices + lo, mask=lo < end, other=-1).to(tl.int64) == items)


@triton.jit
def nth_allowed(indices, start, end, nth):
    """The item with ``nth`` allowed items before it."""
    lo, hi = start, end
    while tl.max((lo < hi).to(tl.int32), 0) > 0:
        open_ = lo < hi
        middle = (lo + hi) >> 1
        passed = tl.load(indices + middle, mask=open_, other=0).to(tl.int64) - (middle - start) <= nth
        lo, hi = tl.where(open_ & passed, middle + 1, lo), tl.where(open_ & (passed == 0), middle, hi)
    return nth + lo - start
