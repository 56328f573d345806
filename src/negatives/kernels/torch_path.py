"""Every kernel in plain tensor operations, for tensors on any device.

Sums run over sorted segments, so that results do not change from run to run as atomic additions would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.alias import QUANTUM, AliasTable
from negatives.randomness import bits, integers, uniforms
from negatives.types import Csr

BUDGET = 1 << 24
"""Numbers that a temporary tensor may hold."""


def fill_alias(share: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The table is filled once, by two stacks, on the CPU."""
    from negatives.kernels.jit.alias import fill_alias as fill

    return fill(share)


def _locate(known: Csr, queries: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Position of the first known item not below ``ids`` ``(n,)`` and the end of each query's set ``(n,)``."""
    lo, end = known.indptr[queries], known.indptr[queries + 1]
    hi, last = end, max(known.nnz - 1, 0)
    widest = int((end - lo).max()) if ids.numel() else 0
    for _ in range(widest.bit_length()):
        middle = (lo + hi) >> 1
        open_ = lo < hi
        less = open_ & (known.indices[middle.clamp(max=last)] < ids)
        lo, hi = torch.where(less, middle + 1, lo), torch.where(open_ & ~less, middle, hi)
    return lo, end


def _member(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    if not known.nnz:
        return torch.zeros(ids.shape, dtype=torch.bool, device=ids.device)
    at, end = _locate(known, queries, ids)
    return (at < end) & (known.indices[at.clamp(max=known.nnz - 1)] == ids)


def _listed(known: Csr, queries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Known items of ``queries`` ``(rows,)`` laid end to end: row numbers, items, and items per row."""
    starts = known.indptr[queries]
    lengths = known.indptr[queries + 1] - starts
    rows = torch.repeat_interleave(torch.arange(queries.numel(), device=queries.device), lengths)
    offset = torch.arange(rows.numel(), device=queries.device) - (lengths.cumsum(0) - lengths)[rows]
    return rows, known.indices[starts[rows] + offset].to(torch.int64), lengths


def _segments(lengths: Tensor, cols: Tensor, weights: Tensor, dense: Tensor) -> Tensor:
    """``out[s] = sum_p weights[p] dense[cols[p]]`` over consecutive segments; some columns at a time."""
    d = dense.shape[1]
    out = torch.zeros(lengths.numel(), d, dtype=dense.dtype, device=dense.device)
    step = max(1, BUDGET // max(cols.numel(), 1))
    for c in range(0, d if cols.numel() else 0, step):
        block = weights[:, None] * dense[:, c : c + step][cols]
        out[:, c : c + step] = torch.segment_reduce(block, "sum", lengths=lengths, axis=0, unsafe=True)
    return out


def _by_target(targets: Tensor, sources: Tensor, weights: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct ``targets`` ``(n,)`` in order of first use, with the weighted sums of their rows of ``dense``."""
    order = torch.argsort(targets, stable=True)
    distinct, lengths = torch.unique_consecutive(targets[order], return_counts=True)
    summed = _segments(lengths, sources[order], weights[order], dense)
    by_use = torch.argsort(order[lengths.cumsum(0) - lengths])
    return distinct[by_use], summed[by_use]


def _reject(
    draw: Callable[[Tensor, Tensor], Tensor],
    examples: Tensor,
    k: int,
    queries: Tensor | None,
    known: Csr | None,
    tries: int,
) -> Tensor:
    """``draw(examples, slots)`` everywhere, then again where the item is known; -1 where no try has passed."""
    ids = draw(examples[:, None], torch.arange(k, device=examples.device))
    if known is None or queries is None:
        return ids
    rows = torch.arange(examples.numel(), device=ids.device).repeat_interleave(k)
    cols = torch.arange(k, device=ids.device).repeat(examples.numel())
    for attempt in range(1, tries + 1):
        refused = _member(known, queries[rows], ids[rows, cols])
        rows, cols = rows[refused], cols[refused]
        if not rows.numel():
            break
        ids[rows, cols] = draw(examples[rows], cols + k * attempt) if attempt < tries else -1
    return ids


def _nth_allowed(known: Csr, queries: Tensor, nth: Tensor) -> Tensor:
    """The item with ``nth`` ``(n,)`` allowed items before it, by binary search."""
    first = known.indptr[queries]
    lo, hi = first, known.indptr[queries + 1]
    for _ in range(int((hi - lo).max()).bit_length()):
        middle = (lo + hi) >> 1
        open_ = lo < hi
        passed = open_ & (known.indices[middle.clamp(max=known.nnz - 1)] - (middle - first) <= nth)
        lo, hi = torch.where(passed, middle + 1, lo), torch.where(open_ & ~passed, middle, hi)
    return nth + lo - first


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    ids = _reject(lambda e, s: integers(key, e, s, n_items), examples, k, queries, known, tries)
    rows, cols = (ids < 0).nonzero(as_tuple=True)
    if known is None or queries is None or not rows.numel():
        return ids
    left = n_items - known.lengths()[queries[rows]]
    hashed = (bits(key, examples[rows], cols + k * tries) >> 32) & 0xFFFFFFFF
    ids[rows, cols] = torch.where(left > 0, _nth_allowed(known, queries[rows], hashed * left >> 32), -1)
    return ids


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    n_items = table.alias.numel()

    def draw(rows: Tensor, slots: Tensor) -> Tensor:
        hashed = bits(key, rows, slots)
        bucket = (((hashed >> 32) & 0xFFFFFFFF) * n_items) >> 32
        keep = (hashed & 0xFFFFFFFF) < (table.threshold[bucket].to(torch.int64) & 0xFFFFFFFF)
        return torch.where(keep, bucket, table.alias[bucket].to(torch.int64))

    ids = _reject(draw, examples, k, queries, known, tries)
    open_rows = (ids < 0).any(1).nonzero()[:, 0]
    if known is None or queries is None or not open_rows.numel():
        return ids
    units = (table.probability.double() * QUANTUM).to(torch.int64).clamp(min=(table.probability > 0).to(torch.int64))
    for part in open_rows.split(max(1, BUDGET // n_items)):
        share = uniforms(key, examples[part, None], torch.arange(k, device=ids.device) + k * tries)
        ids[part] = torch.where(ids[part] < 0, _enumerate(units, known, queries[part], share), ids[part])
    return ids


def _enumerate(units: Tensor, known: Csr, queries: Tensor, share: Tensor) -> Tensor:
    """For ``share`` ``(rows, k)`` of the allowed total, the item on which it falls; -1 for a total of zero."""
    rows, items, _ = _listed(known, queries)
    allowed = units.repeat(queries.numel(), 1)
    allowed[rows, items] = 0
    sums = allowed.cumsum(1)
    total = sums[:, -1:]
    target = torch.minimum((share * total.double()).to(torch.int64), total - 1)
    return torch.where(total > 0, torch.searchsorted(sums, target, right=True), -1)


def contains(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    return _member(known, queries[:, None].expand(ids.shape), ids)


def contains_pool(known: Csr, queries: Tensor, pool: Tensor) -> Tensor:
    distinct, inverse = torch.unique(pool, return_inverse=True)
    marks = torch.zeros(queries.numel(), distinct.numel(), dtype=torch.bool, device=pool.device)
    if distinct.numel():
        rows, items, _ = _listed(known, queries)
        at = torch.searchsorted(distinct, items).clamp(max=distinct.numel() - 1)
        found = distinct[at] == items
        marks[rows[found], at[found]] = True
    return marks[:, inverse]


def excluded_mass(known: Csr, queries: Tensor, probability: Tensor) -> Tensor:
    _, items, lengths = _listed(known, queries)
    return _segments(lengths, items, torch.ones_like(items), probability.double()[:, None])[:, 0]


def gather_scores(query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor) -> Tensor:
    vectors, (n, k) = query_table[queries], ids.shape
    out = torch.empty(n, k, dtype=vectors.dtype, device=ids.device)
    step = max(1, BUDGET // max(k * vectors.shape[1], 1))
    for r in range(0, n, step):
        part = slice(r, r + step)
        torch.bmm(item_table[ids[part]], vectors[part, :, None], out=out[part, :, None])
    return out


def score_backward(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    rows, cols = (grad != 0).nonzero(as_tuple=True)
    weights, items = grad[rows, cols], ids[rows, cols]
    per_row = _segments(torch.bincount(rows, minlength=ids.shape[0]), items, weights, item_table)
    return per_row, *_by_target(items, rows, weights, query_table[queries])


def sum_rows(index: Tensor, values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    ones = torch.ones(index.numel(), dtype=values.dtype, device=values.device)
    return _by_target(index, torch.arange(index.numel(), device=index.device), ones, values)


def shuffled(key: int, n: int) -> Tensor:
    """Swaps follow one another, so an order is made on the CPU."""
    from negatives.kernels.jit.order import shuffled as shuffle

    return shuffle(key, n)


def exp_rows(scores: Tensor, scale: float, bias: Tensor | None, ok: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    terms = scores * scale if bias is None else torch.add(bias, scores, alpha=scale)
    if ok is not None:
        terms.masked_fill_(~ok, -math.inf)
    top = terms.amax(1, keepdim=True)
    top.masked_fill_(top == -math.inf, 0.0)
    terms.sub_(top).exp_()
    return terms, terms.sum(1, keepdim=True), top


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    return _segments(indptr.diff(), indices.to(torch.int64), values, dense)


def resample(logits: Tensor, ok: Tensor | None, examples: Tensor, k: int, key: int) -> tuple[Tensor, Tensor]:
    chances = torch.softmax(logits if ok is None else logits.masked_fill(~ok, -torch.inf), 1)
    if ok is not None:
        chances = chances.masked_fill_(~ok, 0.0)  # also where no slot is allowed
    totals = chances.cumsum(1, dtype=torch.float64)
    end = totals[:, -1:]
    target = uniforms(key, examples[:, None], torch.arange(k, device=chances.device)) * end
    target = torch.minimum(target, torch.nextafter(end, torch.zeros_like(end)))
    slots = torch.searchsorted(totals, target, right=True).clamp_(max=chances.shape[1] - 1)
    return slots, chances.gather(1, slots)


def sgd_rows_(table: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float) -> None:
    table[rows] -= lr * (grad + weight_decay * table[rows])


def sgd_pairs_(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor, lr: float, weight_decay: float
) -> None:
    per_row, items, summed = score_backward(query_table, item_table, queries, ids, grad)
    used = (grad != 0).any(1)
    rows, of_queries = sum_rows(queries[used], per_row[used], len(query_table))
    sgd_rows_(query_table, rows, of_queries, lr, weight_decay)
    sgd_rows_(item_table, items, summed, lr, weight_decay)


def adagrad_rows_(
    table: Tensor, accumulator: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float, eps: float
) -> None:
    grad = grad + weight_decay * table[rows]
    accumulator[rows] += grad * grad
    table[rows] -= lr * grad / (accumulator[rows].sqrt() + eps)


def adam_rows_(
    table: Tensor,
    moments: tuple[Tensor, Tensor],
    rows: Tensor,
    grad: Tensor,
    lr: float,
    step: int,
    weight_decay: float,
    betas: tuple[float, float],
) -> None:
    grad = grad + weight_decay * table[rows]
    first, second = moments[0][rows].lerp_(grad, 1 - betas[0]), moments[1][rows].lerp_(grad * grad, 1 - betas[1])
    moments[0][rows], moments[1][rows] = first, second
    rate = lr * (1 - betas[1] ** step) ** 0.5 / (1 - betas[0] ** step)
    table[rows] -= rate * first / (second.sqrt() + 1e-8)


def top_k(scores: Tensor, k: int, exclude: Csr | None, queries: Tensor | None) -> tuple[Tensor, Tensor]:
    n_rows, n = scores.shape
    scores = torch.where(scores.isnan(), -torch.inf, scores + 0.0)  # the sum also turns -0 into 0
    if exclude is not None and queries is not None:
        rows, items, _ = _listed(exclude, queries)
        scores[rows, items] = -torch.inf
    code = scores.view(torch.int32)
    code = (code ^ ((code >> 31) & 0x7FFFFFFF)).to(torch.int64)  # integers in the order of the scores
    codes = (code << 32) | (0xFFFFFFFF - torch.arange(n, device=scores.device))
    best = torch.topk(codes, min(k, n), dim=1).indices
    ids = torch.full((n_rows, k), -1, dtype=torch.int64, device=scores.device)
    values = torch.full((n_rows, k), -torch.inf, device=scores.device)
    values[:, : best.shape[1]] = scores.gather(1, best)
    ids[:, : best.shape[1]] = torch.where(values[:, : best.shape[1]] > -torch.inf, best, -1)
    return ids, values
