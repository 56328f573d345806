"""Which rows of each query are held back."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import array, inline_kernel, inner_kernel
from negatives.kernels.jit.mix import mix
from negatives.kernels.threads import by_weight
from negatives.randomness import EXAMPLE_STEP

_E = np.uint64(EXAMPLE_STEP)
_32, _LOW, _MASK = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(0x7FFFFFFF)

COST = 8
"""Elementary steps of one row: to hash and to rank it."""


@inline_kernel
def _bits(key, row):
    return (mix(mix(key ^ np.uint64(row) * _E)) >> _32) & _MASK


@inner_kernel
def _smallest(ranks, count, n):
    """Bring the ``count`` smallest of the first ``n`` distinct numbers to the front (Hoare's selection)."""
    low, high = 0, n - 1
    while low < high:
        middle = ranks[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while ranks[i] < middle:
                i += 1
            while ranks[j] > middle:
                j -= 1
            if i <= j:
                ranks[i], ranks[j] = ranks[j], ranks[i]
                i += 1
                j -= 1
        if count - 1 <= j:
            high = j
        elif count - 1 >= i:
            low = i
        else:
            return


@inner_kernel
def _lowest(key, starts, want, ranks, held):
    for s in range(want.size):
        start, n = starts[s], starts[s + 1] - starts[s]
        count = min(want[s], n)
        if count < 1:
            continue
        for j in range(n):
            ranks[j] = (_bits(key, start + j) << _32) | np.uint64(j)
        _smallest(ranks, count, n)
        for j in range(count):
            held[start + np.int64(ranks[j] & _LOW)] = True


@inner_kernel
def _latest(key, starts, times, found):
    for s in range(found.size):
        best = -1
        for row in range(starts[s], starts[s + 1]):
            if best < 0:
                best = row
            if times[row] < times[best]:
                continue
            if times[row] > times[best] or _bits(key, row) < _bits(key, best):
                best = row
        found[s] = best


@inner_kernel
def _move_up(values, kept):
    at = 0
    for i in range(values.size):
        values[at] = values[i]
        at += kept[i]
    return at


def lowest_of_each(starts: Tensor, want: Tensor, key: int) -> Tensor:
    ends = array(starts, np.int64)
    counts, held = array(want, np.int64), np.zeros(int(ends[-1]), dtype=np.bool_)

    def run(a: int, b: int) -> None:
        ranks = np.empty(int(np.diff(ends[a : b + 1]).max(initial=0)), dtype=np.uint64)
        _lowest(np.uint64(key), ends[a : b + 1], counts[a:b], ranks, held)

    by_weight(run, ends, COST)
    return torch.from_numpy(held)


def latest_of_each(starts: Tensor, times: Tensor, key: int) -> Tensor:
    ends = array(starts, np.int64)
    found = np.empty(ends.size - 1, dtype=np.int64)
    values = array(times, np.float64)
    by_weight(lambda a, b: _latest(np.uint64(key), ends[a : b + 1], values, found[a:b]), ends)
    return torch.from_numpy(found)


def move_up_(values: Tensor, kept: Tensor) -> int:
    return int(_move_up(values.numpy().view(np.int64), array(kept, np.bool_)))
