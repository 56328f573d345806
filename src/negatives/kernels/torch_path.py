"""Every kernel in plain tensor operations, for tensors on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.alias import AliasTable
from negatives.randomness import bits, integers
from negatives.types import Csr


def _locate(known: Csr, queries: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Position of the first known item not below ``ids`` ``(rows, k)`` and the end of each row's set."""
    lo = known.indptr[queries][:, None].expand(ids.shape).clone()
    end = known.indptr[queries + 1][:, None].expand(ids.shape)
    hi = end.clone()
    widest = int((end - lo).max()) if ids.numel() else 0
    for _ in range(widest.bit_length()):
        middle = (lo + hi) >> 1
        less = (lo < hi) & (known.indices[middle.clamp(max=max(known.nnz - 1, 0))] < ids)
        open_ = lo < hi
        lo = torch.where(less, middle + 1, lo)
        hi = torch.where(open_ & ~less, middle, hi)
    return lo, end


def contains(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    if not known.nnz:
        return torch.zeros(ids.shape, dtype=torch.bool, device=ids.device)
    at, end = _locate(known, queries, ids)
    return (at < end) & (known.indices[at.clamp(max=known.nnz - 1)] == ids)


def contains_pool(known: Csr, queries: Tensor, pool: Tensor) -> Tensor:
    return contains(known, queries, pool.expand(queries.numel(), -1))


def _retry(draw, k: int, tries: int, known: Csr | None, queries: Tensor | None) -> Tensor:  # type: ignore[no-untyped-def]
    slots = torch.arange(k)
    ids: Tensor = draw(slots)
    if known is None or queries is None:
        return ids
    bad = contains(known, queries, ids)
    for attempt in range(1, tries):
        if not bool(bad.any()):
            break
        ids = torch.where(bad, draw(slots + k * attempt), ids)
        bad = contains(known, queries, ids)
    return torch.where(bad, -1, ids)


def _allowed(known: Csr, query: Tensor, n_items: int) -> Tensor:
    allowed = torch.ones(n_items, dtype=torch.bool, device=known.indices.device)
    allowed[known.row(int(query)).long()] = False
    return allowed


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    rows = examples[:, None]
    ids = _retry(lambda s: integers(key, rows, s.to(rows.device), n_items), k, tries, known, queries)
    if known is None or queries is None:
        return ids
    for r, j in (ids < 0).nonzero().tolist():
        left = _allowed(known, queries[r], n_items).nonzero()[:, 0]
        if left.numel():
            ids[r, j] = left[integers(key, examples[r], j + k * tries, left.numel())]
    return ids


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    rows = examples[:, None]
    n_items = table.alias.numel()

    def draw(slots: Tensor) -> Tensor:
        hashed = bits(key, rows, slots.to(rows.device))
        bucket = (((hashed >> 32) & 0xFFFFFFFF) * n_items) >> 32
        keep = (hashed & 0xFFFFFFFF) < (table.threshold[bucket].to(torch.int64) & 0xFFFFFFFF)
        return torch.where(keep, bucket, table.alias[bucket].to(torch.int64))

    ids = _retry(draw, k, tries, known, queries)
    if known is None or queries is None:
        return ids
    for r, j in (ids < 0).nonzero().tolist():
        weights = table.probability.double() * _allowed(known, queries[r], n_items)
        if float(weights.sum()) > 0:
            share = ((bits(key, examples[r], j + k * tries) >> 11) & ((1 << 53) - 1)).double() * 2.0**-53
            below = weights.cumsum(0) <= share * weights.sum()
            ids[r, j] = min(int(below.sum()), int(weights.nonzero()[-1]))
    return ids


def excluded_mass(known: Csr, queries: Tensor, probability: Tensor) -> Tensor:
    sums = torch.zeros(known.nnz + 1, dtype=torch.float64, device=queries.device)
    sums[1:] = probability.double()[known.indices.long()].cumsum(0)
    return sums[known.indptr[queries + 1]] - sums[known.indptr[queries]]


def gather_scores(query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor) -> Tensor:
    vectors = query_table[queries]
    out = torch.empty(ids.shape, device=ids.device)
    for j in range(ids.shape[1]):  # one slot at a time, so that memory stays (rows, d)
        out[:, j] = (vectors * item_table[ids[:, j]]).sum(1)
    return out


def score_backward(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    vectors = query_table[queries]
    distinct = _first_use(ids[grad != 0])
    slot = torch.full((len(item_table),), -1, dtype=torch.int64, device=ids.device)
    slot[distinct] = torch.arange(distinct.numel(), device=ids.device)
    per_row = torch.zeros_like(vectors)
    summed = torch.zeros(distinct.numel(), vectors.shape[1], device=ids.device)
    for j in range(ids.shape[1]):
        g = grad[:, j : j + 1]
        per_row += g * item_table[ids[:, j]]
        used = grad[:, j] != 0
        summed.index_add_(0, slot[ids[used, j]], (g * vectors)[used])
    return per_row, distinct, summed


def _first_use(index: Tensor) -> Tensor:
    distinct, inverse = torch.unique(index, return_inverse=True)
    first = torch.full((distinct.numel(),), index.numel(), dtype=torch.int64, device=index.device)
    first.scatter_reduce_(0, inverse, torch.arange(index.numel(), device=index.device), "amin")
    return distinct[torch.argsort(first)]


def sum_rows(index: Tensor, values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    distinct = _first_use(index)
    slot = torch.empty(size, dtype=torch.int64, device=index.device)
    slot[distinct] = torch.arange(distinct.numel(), device=index.device)
    sums = torch.zeros(distinct.numel(), values.shape[1], device=values.device)
    return distinct, sums.index_add_(0, slot[index], values)


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    rows = torch.repeat_interleave(torch.arange(indptr.numel() - 1, device=indptr.device), indptr.diff())
    out = torch.zeros(indptr.numel() - 1, dense.shape[1], device=dense.device)
    for start in range(0, len(rows), 1 << 20):  # a million pairs at a time bounds the memory
        part = slice(start, start + (1 << 20))
        out.index_add_(0, rows[part], values[part, None] * dense[indices[part].long()])
    return out


def sgd_rows_(table: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float) -> None:
    table[rows] -= lr * (grad + weight_decay * table[rows])


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
    first, second = moments
    grad = grad + weight_decay * table[rows]
    first[rows] = betas[0] * first[rows] + (1 - betas[0]) * grad
    second[rows] = betas[1] * second[rows] + (1 - betas[1]) * grad * grad
    corrected = first[rows] / (1 - betas[0] ** step)
    table[rows] -= lr * corrected / ((second[rows] / (1 - betas[1] ** step)).sqrt() + 1e-8)


def top_k(scores: Tensor, k: int, exclude: Csr | None, queries: Tensor | None) -> tuple[Tensor, Tensor]:
    scores = scores.clone()
    if exclude is not None and queries is not None:
        lengths = exclude.indptr[queries + 1] - exclude.indptr[queries]
        rows = torch.repeat_interleave(torch.arange(len(queries), device=scores.device), lengths)
        offset = torch.arange(len(rows), device=scores.device) - (lengths.cumsum(0) - lengths)[rows]
        scores[rows, exclude.indices[exclude.indptr[queries][rows] + offset].long()] = -torch.inf
    order = torch.sort(scores, dim=1, descending=True, stable=True)
    values, ids = order.values[:, :k].clone(), order.indices[:, :k].clone()
    ids[values == -torch.inf] = -1
    if ids.shape[1] < k:
        short = k - ids.shape[1]
        ids = torch.nn.functional.pad(ids, (0, short), value=-1)
        values = torch.nn.functional.pad(values, (0, short), value=-torch.inf)
    return ids, values
