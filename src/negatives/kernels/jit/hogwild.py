"""Asynchronous updates of pairs: each row's scores, gradient and update at once, on the tables as they are now.

Threads share the tables without locks (Hogwild; Niu et al., 2011), so with more than one of them the last digits
differ from run to run.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.checks import all_ok
from negatives.kernels.hogwild import LossKernel
from negatives.kernels.jit.compile import array, fast_kernel, in_place, index, inner_kernel
from negatives.kernels.jit.prefetch import AHEAD, fetch_row
from negatives.kernels.jit.scores import dot_rows
from negatives.kernels.threads import by_chunks
from negatives.types import Negatives

BPR, HINGE, LOGISTIC = 0, 1, 2
CODES = {"bpr": BPR, "hinge": HINGE, "logistic": LOGISTIC}


@inner_kernel
def _sigmoid(x):
    return np.float32(1) / (np.float32(1) + np.float32(math.exp(-x)))


@inner_kernel
def _push(kind, gap, margin):
    """How strongly one negative is pushed away; ``gap`` is its score, less the positive's but for logistic."""
    if kind == HINGE:
        return np.float32(1) if gap + margin > np.float32(0) else np.float32(0)
    return _sigmoid(gap + margin)


@fast_kernel
def _move(users, u, items, i, total, grad, lr, keep):
    """``total += grad x`` and ``x = keep x - lr grad vector``, for an item's row ``x`` and the query's vector."""
    for c in range(total.size):
        old = items[i, c]
        total[c] += grad * old
        items[i, c] = keep * old - lr * grad * users[u, c]


@fast_kernel
def _two_scores(users, u, items, i, j):
    """Inner products of a query's vector with two rows of items, in one pass."""
    high, low = np.float32(0), np.float32(0)
    for c in range(users.shape[1]):
        high += users[u, c] * items[i, c]
        low += users[u, c] * items[j, c]
    return high, low


@fast_kernel
def _move_pair(users, u, items, i, j, step, keep):
    """The whole update of a query, its positive ``i`` and one other item ``j``, in one pass."""
    for c in range(users.shape[1]):
        x, good, bad = users[u, c], items[i, c], items[j, c]
        users[u, c] = keep * x + step * (good - bad)
        items[i, c] = keep * good + step * x
        items[j, c] = keep * bad - step * x


@inner_kernel
def _fetch(users, items, queries, positives, ids, start, stop):
    """Ask for all rows that the next updates touch."""
    for r in range(start, stop):
        fetch_row(users, queries[r])
        fetch_row(items, positives[r])
        for j in range(ids.shape[1]):
            fetch_row(items, ids[r, j])


@inner_kernel
def _train(
    users, items, queries, positives, ids, ok, weight, kind, margin, mean, lr, keep, out, total, pushes, start, stop
):
    k = ids.shape[1]
    zero = np.float32(0)
    single = k == 1 and kind != LOGISTIC and ok.size == 0 and weight.size == 0
    for r in range(start, stop):
        if (r - start) % AHEAD == 0:
            _fetch(users, items, queries, positives, ids, r, min(stop, r + AHEAD))
        u = queries[r]
        if single and positives[r] != ids[r, 0]:
            high, low = _two_scores(users, u, items, positives[r], ids[r, 0])
            out[r, 0], out[r, 1] = high, low
            step = lr * _push(kind, low - high, margin)
            if step != zero:
                _move_pair(users, u, items, positives[r], ids[r, 0], step, keep)
            else:
                for c in range(total.size):
                    users[u, c] *= keep
            continue
        high = dot_rows(users, u, items, positives[r])
        out[r, 0] = high
        n = 0
        for j in range(k):
            out[r, j + 1] = dot_rows(users, u, items, ids[r, j])
            if ok.size == 0 or ok[r, j]:
                n += 1
        if n == 0:
            continue
        pull = zero
        for j in range(k):
            pushes[j] = zero
            if ok.size == 0 or ok[r, j]:
                low = out[r, j + 1] if kind == LOGISTIC else out[r, j + 1] - high
                pushes[j] = _push(kind, low, margin)
                if weight.size:
                    pushes[j] *= weight[r, j]
                if mean:
                    pushes[j] /= np.float32(n)
                pull += pushes[j]
        if kind == LOGISTIC:
            pull = _sigmoid(-high - margin)
        for c in range(total.size):
            total[c] = zero
        if pull != zero:
            _move(users, u, items, positives[r], total, -pull, lr, keep)
        for j in range(k):
            if pushes[j] != zero:
                _move(users, u, items, ids[r, j], total, pushes[j], lr, keep)
        for c in range(total.size):
            users[u, c] = keep * users[u, c] - lr * total[c]


def async_pairs_(
    tables: tuple[Tensor, Tensor],
    queries: Tensor,
    positives: Tensor,
    negatives: Negatives,
    loss: LossKernel,
    lr: float,
    weight_decay: float,
) -> Tensor:
    users, items = in_place(tables[0]), in_place(tables[1])
    rows = index(queries, len(users), "queries")
    good, bad = index(positives, len(items), "positives"), index(negatives.ids, len(items), "item ids")
    allowed = np.empty((0, 0), np.bool_) if all_ok(negatives.ok) else array(negatives.ok, np.bool_)
    weight = negatives.weight
    factors = np.empty((0, 0), np.float32) if weight is None else array(weight, np.float32)
    out = np.empty((len(rows), bad.shape[1] + 1), np.float32)
    numbers = np.float32(loss.margin), loss.mean, np.float32(lr), np.float32(1 - lr * weight_decay)
    whole = users, items, rows, good, bad, allowed, factors, CODES[loss.kind], *numbers, out

    def run(start: int, stop: int) -> None:
        total, pushes = np.empty(users.shape[1], np.float32), np.empty(bad.shape[1], np.float32)
        _train(*whole, total, pushes, start, stop)

    by_chunks(run, len(rows), out.shape[1] * users.shape[1])
    return torch.from_numpy(out)
