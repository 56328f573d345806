"""Random walks: hashed draws, rejection for biased steps, several walks at a time so that memory is not waited for."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.jit.compile import array, index, kernel
from negatives.kernels.jit.draw import _upper, mix
from negatives.kernels.jit.members import is_known
from negatives.kernels.threads import by_chunks
from negatives.randomness import EXAMPLE_STEP, MASK64, SLOT_STEP
from negatives.types import Csr

GROUP = 64
"""Walks that one thread takes step by step together."""
_E, _S = np.uint64(EXAMPLE_STEP), np.uint64(SLOT_STEP)
_11, _LOW = np.uint64(11), np.uint64(0xFFFFFFFF)


@kernel
def _unit(h):
    """float64 in ``[0, 1)`` from the upper 53 bits."""
    return np.float64(h >> _11) * 2.0**-53


@kernel
def _weight(indices, lo, hi, came, x, back, away):
    """``1/p``, ``1`` or ``1/q``; ``indices[lo:hi]`` are the neighbours of ``came``."""
    if x == came:
        return back
    return 1.0 if is_known(indices, lo, hi, x) else away


@kernel
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


@kernel
def _biased(indices, first, last, lo, hi, came, base, slot, back, away, tries):
    """The next node after ``came`` and a node with the neighbours ``indices[first:last]``, and the next slot."""
    top, low = max(1.0, away), min(1.0, away)
    extra = back - top
    if extra > 0 and not is_known(indices, first, last, came):
        extra = 0.0
    degree = np.uint64(last - first)
    for _ in range(tries):
        if extra > 0:
            share = _unit(mix(base + slot * _S))
            slot += np.uint64(1)
            if share * (np.float64(last - first) * top + extra) < extra:
                return came, slot
        h = mix(base + slot * _S)
        slot += np.uint64(1)
        x = indices[first + _upper(h, degree)]
        bar = np.float64(h & _LOW) * 2.0**-32 * top
        if x == came:
            if bar < back:
                return x, slot
        elif bar < low or bar < _weight(indices, lo, hi, came, x, back, away):
            return x, slot
    share = _unit(mix(base + slot * _S))
    return _enumerated(indices, first, last, lo, hi, came, share, back, away), slot + np.uint64(1)


@kernel
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
                out[r, step] = indices[first + _upper(h, np.uint64(last - first))]


@kernel
def _biased_walks(indptr, indices, starts, examples, key, back, away, tries, out, start, stop):
    slots = np.empty(GROUP, np.uint64)
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
                    out[r, 1] = indices[first + _upper(mix(base), np.uint64(last - first))]
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
        by_chunks(lambda a, b: _biased_walks(*sets, *rows, word, back, away, tries, out, a, b), len(out), 64 * length)
    return torch.from_numpy(out)
