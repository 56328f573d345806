"""Draws among the slots of each row by the softmax of their logits, one row at a time while it lies in the cache."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import array, inner_kernel
from negatives.kernels.jit.mix import mix
from negatives.kernels.jit.softmax import exponentials, largest
from negatives.kernels.threads import by_chunks
from negatives.randomness import EXAMPLE_STEP, MASK64, SLOT_STEP

_E, _S, _11 = np.uint64(EXAMPLE_STEP), np.uint64(SLOT_STEP), np.uint64(11)
_SHARE = 2.0**-53


@inner_kernel
def _resample(logits, ok, examples, key, slots, chances, x, bits, values, poly, sums, start, stop):
    m, k = logits.shape[1], slots.shape[1]
    low = np.float32(-np.inf)
    for r in range(start, stop):
        for j in range(m):
            x[j] = logits[r, j] if ok.size == 0 or ok[r, j] else low
        top = largest(x)
        total = 0.0
        if top > low:
            exponentials(x, top, bits, values, poly)
            for j in range(m):
                total += np.float64(x[j])
                sums[j] = total
        base = mix(key ^ (np.uint64(examples[r]) * _E))
        for i in range(k):
            slots[r, i], chances[r, i] = m - 1, np.float32(0)
            if total > 0.0:
                target = np.float64(mix(base + np.uint64(i) * _S) >> _11) * _SHARE * total
                j = 0
                while sums[j] <= target and sums[j] < total:
                    j += 1
                slots[r, i], chances[r, i] = j, np.float32(np.float64(x[j]) / total)


def resample(logits: Tensor, ok: Tensor | None, examples: Tensor, k: int, key: int) -> tuple[Tensor, Tensor]:
    given, rows = array(logits, np.float32), array(examples, np.int64)
    n, m = given.shape
    allowed = np.empty((0, 0), np.bool_) if ok is None else array(ok, np.bool_)
    slots, chances = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
    word = np.uint64(key & MASK64)

    def run(start: int, stop: int) -> None:
        bits = np.empty(m, np.int32)
        space = np.empty(m, np.float32), bits, bits.view(np.float32), np.empty(m, np.float32), np.empty(m)
        _resample(given, allowed, rows, word, slots, chances, *space, start, stop)

    by_chunks(run, n, 8 * m)
    return torch.from_numpy(slots), torch.from_numpy(chances)
