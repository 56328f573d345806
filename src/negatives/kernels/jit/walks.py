"""Random walks: hashed draws, rejection for biased steps, several walks at a time so that memory is not waited for."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import array, index, inner_kernel
from negatives.kernels.jit.mix import mix, upper
from negatives.kernels.threads import by_chunks
from negatives.randomness import EXAMPLE_STEP, MASK64, SLOT_STEP
from negatives.types import Csr

GROUP = 64
"""Walks that one thread takes step by step together."""
_E, _S = np.uint64(EXAMPLE_STEP), np.uint64(SLOT_STEP)
_11 = np.uint64(11)


@inner_kernel
def _unit(h):
    """float64 in ``[0, 1)`` from the upper 53 bits."""
    return np.float64(h >> _11) * 2.0**-53


@inner_kernel
def _member(indices, lo, hi, node):
    """Binary search in the sorted ``indices[lo:hi]`` without a branch that could be guessed wrong."""
    n = hi - lo
    if n == 0:
        return False
    while n > 1:
        half = n >> 1
        lo += half if indices[lo + half] <= node else 0
        n -= half
    return indices[lo] == node


@inner_kernel
def _weight(indices, lo, hi, came, x, back, away):
    """``1/p``, ``1`` or ``1/q``; ``indices[lo:hi]`` are the neighbours of ``came``."""
    if x == came:
        return back
    return 1.0 if _member(indices, lo, hi, x) else away


@inner_kernel
def _enumerated(indices, first, last, lo, hi, came, share, back, away):
    """The neighbour at ``share`` of the running sum of the weights."""
    total = 0.0
    for at in range(first, last):
        total += _weight(indices, lo, hi, came, indices[at], back, away)
    target, total = share * total, 0.0
    for at in range(first, last):
        total += _weight(indices, lo, hi, came, indices[at], back, away)
        if target < total:
            return indices[at]
    return indices[last - 1]


@inner_kernel
def _biased(indices, first, last, lo, hi, came, base, slot, back, away, tries):
    """The next node after ``came`` and a node with the neighbours ``indices[first:last]``, and the next slot.

    A dart falls on columns as wide as one and as high as the largest weight, one per neighbour, beside what the way
    back stands out of them. It counts where it hits below the weight.
    """
    top, low = max(1.0, away), min(1.0, away)
    extra = max(0.0, back - top)
    degree = last - first
    area = np.float64(degree) * top + extra
    for _ in range(tries):
        spot = _unit(mix(base + slot * _S)) * area
        slot += np.uint64(1)
        at = np.int64(spot / top)
        if at >= degree:  # what stands out of the way back, if there is a way back
            if extra > 0 and _member(indices, first, last, came):
                return came, slot
            continue
        x, height = indices[first + at], spot - np.float64(at) * top
        if x == came:
            if height < back:
                return x, slot
        elif height < low or height < _weight(indices, lo, hi, came, x, back, away):
            return x, slot
    share = _unit(mix(base + slot * _S))
    return _enumerated(indices, first, last, lo, hi, came, share, back, away), slot + np.uint64(1)


@inner_kernel
def _plain_walks(indptr, indices, starts, examples, key, out, start, stop):
    for group in range(start, stop, GROUP):
        end = min(stop, group + GROUP)
        for r in range(group, end):
            out[r, 0] = starts[r]
        for step in range(1, out.shape[1]):
            for r in range(group, end):
                node = out[r, step - 1]
                first, last = np.int64(0), np.int64(0)
                if node >= 0:
                    first, last = indptr[node], indptr[node + 1]
                if first == last:
                    out[r, step] = -1
                    continue
                base = mix(key ^ (np.uint64(examples[r]) * _E))
                h = mix(base + np.uint64(step - 1) * _S)
                out[r, step] = indices[first + upper(h, np.uint64(last - first))]


@inner_kernel
def _biased_walks(indptr, indices, starts, examples, key, back, away, tries, slots, out, start, stop):
    for group in range(start, stop, GROUP):
        end = min(stop, group + GROUP)
        for r in range(group, end):
            out[r, 0] = starts[r]
            slots[r - group] = np.uint64(1)
        for step in range(1, out.shape[1]):
            for r in range(group, end):
                node = out[r, step - 1]
                first, last = np.int64(0), np.int64(0)
                if node >= 0:
                    first, last = indptr[node], indptr[node + 1]
                if first == last:
                    out[r, step] = -1
                    continue
                base = mix(key ^ (np.uint64(examples[r]) * _E))
                if step == 1:
                    out[r, 1] = indices[first + upper(mix(base), np.uint64(last - first))]
                    continue
                came = out[r, step - 2]
                lo, hi = indptr[came], indptr[came + 1]
                out[r, step], slots[r - group] = _biased(
                    indices, first, last, lo, hi, came, base, slots[r - group], back, away, tries
                )


def walks(
    graph: Csr, starts: Tensor, length: int, key: int, examples: Tensor, back: float, away: float, tries: int
) -> Tensor:
    out = np.empty((starts.numel(), length + 1), np.int32)
    sets = array(graph.indptr, np.int64), array(graph.indices, np.int32)
    rows = index(starts, graph.n_rows, "starts"), array(examples, np.int64)
    word = np.uint64(key & MASK64)
    if back == 1.0 and away == 1.0:
        by_chunks(lambda a, b: _plain_walks(*sets, *rows, word, out, a, b), len(out), 16 * length)
    else:
        fixed = *sets, *rows, word, back, away, tries
        by_chunks(lambda a, b: _biased_walks(*fixed, np.empty(GROUP, np.uint64), out, a, b), len(out), 64 * length)
    return torch.from_numpy(out)
