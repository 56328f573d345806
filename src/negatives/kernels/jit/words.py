"""Word vectors: thin out a text, and train on its windows, each a small matrix product, in place.

Arrays are indexed and never sliced in the inner loops: a slice counts references, and two threads that count on the
same array wait for each other.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.checks import all_ok
from negatives.kernels.jit.compile import Array, array, in_place, index, inner_kernel
from negatives.kernels.jit.mix import mix
from negatives.kernels.jit.small import combine, products
from negatives.kernels.threads import by_chunks
from negatives.kernels.words import Windows
from negatives.randomness import EXAMPLE_STEP, MASK64
from negatives.types import Negatives

TRAIN, SCORE, UPDATE = 0, 1, 2
_PLACES = np.int64(16)
_32, _E = np.uint64(32), np.uint64(EXAMPLE_STEP)
_ZERO = np.float32(0)
_CELLS = 256
"""Entries of the table of the logistic function for each unit."""
_REACH = 8
_LOGISTIC = (1 / (1 + np.exp(-((np.arange(2 * _REACH * _CELLS) + 0.5) / _CELLS - _REACH)))).astype(np.float32)
_WIDE = 16
"""Vectors are padded to whole multiples of this in the scratch space, so that loops have no rest."""


@inner_kernel
def _keep(tokens, bounds, first, keep, key, words, examples):
    n = 0
    for s in range(bounds.size - 1):
        begin = n
        for p in range(bounds[s], bounds[s + 1]):
            example = ((first + s) << _PLACES) + (p - bounds[s])
            if np.int64(mix(key ^ (np.uint64(example) * _E)) >> _32) < keep[tokens[p]]:
                words[n] = tokens[p]
                examples[n] = example
                n += 1
        if n - begin < 2:
            n = begin
    return n


@inner_kernel
def _context(words, examples, r, width, key, context):
    """The words of the window around ``r``; their number."""
    reach = 1 + np.int64((mix(key ^ (np.uint64(examples[r]) * _E)) >> _32) * np.uint64(width) >> _32)
    sentence, n = examples[r] >> _PLACES, 0
    for p in range(max(0, r - reach), min(words.size, r + reach + 1)):
        if p != r and examples[p] >> _PLACES == sentence:
            context[n] = words[p]
            n += 1
    return n


@inner_kernel
def _count(words, examples, width, key, mean, first, starts, context):
    for r in range(starts.size - 1):
        n = _context(words, examples, first + r, width, key, context)
        starts[r + 1] = starts[r] + (min(n, 1) if mean else n)


@inner_kernel
def _copy(table, row, d, out, i):
    for c in range(d):
        out[i, c] = table[row, c]


@inner_kernel
def _average(table, context, n, d, out):
    """Row 0 of ``out`` is the mean of the ``n`` rows of the context."""
    share = np.float32(1) / np.float32(n)
    for c in range(d):
        total = _ZERO
        for i in range(n):
            total += table[context[i], c]
        out[0, c] = total * share


@inner_kernel
def _logistic(scores, rows, m, slot, weight, r, logistic, lr):
    """Scores become steps: ``lr (1 - σ)`` for the centre, ``-lr weight σ`` for a negative."""
    for i in range(rows):
        for j in range(m):
            at = np.int64(scores[i, j] * np.float32(_CELLS) + np.float32(_REACH * _CELLS))
            step = -lr * logistic[max(0, min(logistic.size - 1, at))]
            if j == 0:
                step += lr
            elif weight.size:
                step *= weight[r, slot[j]]
            scores[i, j] = step


@inner_kernel
def _outputs(centre, ids, ok, r, outs, slot):
    """The centre and the negatives that count; their number."""
    outs[0] = centre
    m = 1
    for j in range(ids.shape[1]):
        if ids[r, j] != centre and (ok.size == 0 or ok[r, j]):
            outs[m], slot[m] = ids[r, j], j
            m += 1
    return m


@inner_kernel
def _scores_out(scores, rows, m, slot, given, at):
    for i in range(rows):
        for j in range(m):
            given[at + i, 0 if j == 0 else slot[j] + 1] = scores[i, j]


@inner_kernel
def _steps_in(scores, rows, m, slot, given, at, lr):
    for i in range(rows):
        for j in range(m):
            scores[i, j] = -lr * given[at + i, 0 if j == 0 else slot[j] + 1]


@inner_kernel
def _spread(inputs, context, n, d, steps, m, outs_now, whole):
    """The step of the mean goes to each word of the window, in equal shares."""
    for c in range(whole.shape[1]):
        whole[0, c] = _ZERO
    combine(whole, 0, d, steps, 0, outs_now, m)
    share = np.float32(1) / np.float32(n)
    for i in range(n):
        for c in range(d):
            inputs[context[i], c] += share * whole[0, c]


@inner_kernel
def _windows(
    stage, inputs, outputs, words, examples, width, key, mean, ids, ok, weight, starts, given, logistic, lr, first,
    x, y, whole, steps, turned, context, outs, slot, start, stop,
):  # fmt: skip
    d, padded = inputs.shape[1], x.shape[1]
    for r in range(start, stop):
        n = _context(words, examples, first + r, width, key, context)
        if n == 0:
            continue
        m = _outputs(words[first + r], ids, ok, r, outs, slot)
        rows = 1 if mean else n
        if mean:
            _average(inputs, context, n, d, x)
        else:
            for i in range(n):
                _copy(inputs, context[i], d, x, i)
        for j in range(m):
            _copy(outputs, outs[j], d, y, j)
        if stage == UPDATE:
            _steps_in(steps, rows, m, slot, given, starts[r], lr)
        else:
            products(x, rows, y, m, steps, padded)
        if stage == SCORE:
            _scores_out(steps, rows, m, slot, given, starts[r])
            continue
        if stage == TRAIN:
            _logistic(steps, rows, m, slot, weight, r, logistic, lr)
        for i in range(rows):
            for j in range(m):
                turned[j, i] = steps[i, j]
        if mean:
            _spread(inputs, context, n, d, steps, m, y, whole)
        else:
            for i in range(n):
                combine(inputs, context[i], d, steps, i, y, m)
        for j in range(m):
            combine(outputs, outs[j], d, turned, j, x, rows)


def keep_words(tokens: Tensor, bounds: Tensor, first: int, keep: Tensor, key: int) -> tuple[Tensor, Tensor]:
    words, examples = np.empty(tokens.numel(), np.int64), np.empty(tokens.numel(), np.int64)
    text, ends, chance = array(tokens, np.int32), array(bounds, np.int64), array(keep, np.int64)
    n = _keep(text, ends, np.int64(first), chance, np.uint64(key & MASK64), words, examples)
    return torch.from_numpy(words[:n].copy()), torch.from_numpy(examples[:n].copy())


def _text(windows: Windows) -> tuple[Array, Array, int, np.uint64]:
    return (
        array(windows.words, np.int64), array(windows.examples, np.int64), windows.width,
        np.uint64(windows.key & MASK64),
    )  # fmt: skip


def window_starts(windows: Windows) -> Tensor:
    starts = np.zeros(len(windows.centres) + 1, np.int64)
    context = np.empty(2 * windows.width, np.int64)
    _count(*_text(windows), windows.mean, windows.first, starts, context)
    return torch.from_numpy(starts)


def _space(d: int, k: int, width: int) -> tuple[Array, ...]:
    """What one thread works in: vectors of a window and of its outputs, a sum, steps, and ids."""
    padded, reach = (d + _WIDE - 1) // _WIDE * _WIDE, 2 * width
    sizes = (reach, padded), (k + 1, padded), (1, padded), (reach, k + 1), (k + 1, reach)
    return *(np.zeros(size, np.float32) for size in sizes), *(np.zeros(n, np.int64) for n in (reach, k + 1, k + 1))


def _run(
    stage: int, tables: tuple[Tensor, Tensor], windows: Windows, negatives: Negatives, given: Array, lr: float
) -> None:
    inputs, outputs = (in_place(table) for table in tables)
    index(windows.words, min(len(inputs), len(outputs)), "words")
    ids, rows = index(negatives.ids, len(outputs), "negatives"), len(windows.centres)
    ok = np.empty((0, 0), np.bool_) if all_ok(negatives.ok) else array(negatives.ok, np.bool_)
    weight = np.empty((0, 0), np.float32) if negatives.weight is None else array(negatives.weight, np.float32)
    starts = np.zeros(1, np.int64) if stage == TRAIN else window_starts(windows).numpy()
    fixed = (stage, inputs, outputs, *_text(windows), windows.mean, ids, ok, weight, starts, given, _LOGISTIC)
    cost = windows.width * ids.shape[1] * inputs.shape[1] // 4
    sizes = inputs.shape[1], ids.shape[1], windows.width
    by_chunks(lambda a, b: _windows(*fixed, np.float32(lr), windows.first, *_space(*sizes), a, b), rows, cost)


def train_windows_(inputs: Tensor, outputs: Tensor, windows: Windows, negatives: Negatives, lr: float) -> None:
    _run(TRAIN, (inputs, outputs), windows, negatives, np.empty((0, 0), np.float32), lr)


def window_scores(inputs: Tensor, outputs: Tensor, windows: Windows, ids: Tensor) -> Tensor:
    given = np.zeros((int(window_starts(windows)[-1]), 1 + ids.shape[1]), np.float32)
    _run(SCORE, (inputs, outputs), windows, _all(ids), given, 0.0)
    return torch.from_numpy(given)


def window_update_(inputs: Tensor, outputs: Tensor, windows: Windows, ids: Tensor, grad: Tensor, lr: float) -> None:
    _run(UPDATE, (inputs, outputs), windows, _all(ids), array(grad, np.float32), lr)


def _all(ids: Tensor) -> Negatives:
    return Negatives(ids, None, torch.ones(1, 1, dtype=torch.bool).expand(ids.shape))
