"""Naive twins: the same answers as the kernels by the most obvious loops, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.alias import QUANTUM, AliasTable
from negatives.randomness import EXAMPLE_STEP, MASK64, SLOT_STEP, mix
from negatives.types import Csr


def fill_alias(share: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Thresholds and aliases for ``share`` that sums to its length, by Vose's two stacks."""
    scaled = share.tolist()
    heaviest = scaled.index(max(scaled))
    threshold, alias = [0] * len(scaled), list(range(len(scaled)))
    small = [i for i, s in enumerate(scaled) if s < 1]
    large = [i for i, s in enumerate(scaled) if s >= 1]
    while small and large:
        i, j = small.pop(), large[-1]
        threshold[i], alias[i] = int(min(scaled[i] * 2.0**32, 2.0**32 - 1)), j
        scaled[j] -= 1.0 - scaled[i]
        if scaled[j] < 1:
            small.append(large.pop())
    for i in small:
        if scaled[i] == 0:
            alias[i] = heaviest
    return np.array(threshold, np.uint32), np.array(alias, np.int32)


def _hash(key: int, example: int, slot: int) -> int:
    return mix(mix(key ^ (example * EXAMPLE_STEP & MASK64)) + slot * SLOT_STEP & MASK64)


def _known(known: Csr | None, queries: Tensor | None, row: int) -> set[int]:
    return set() if known is None or queries is None else set(known.row(int(queries[row])).tolist())


def draw_uniform(
    examples: Tensor, k: int, n_items: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = torch.full((examples.numel(), k), -1, dtype=torch.int64)
    for r, example in enumerate(examples.tolist()):
        excluded = _known(known, queries, r)
        left = [item for item in range(n_items) if item not in excluded]
        for j in range(k):
            drawn = [(_hash(key, example, j + k * t) >> 32) * n_items >> 32 for t in range(tries)]
            fine = [item for item in drawn if item not in excluded]
            if fine:
                out[r, j] = fine[0]
            elif left:
                out[r, j] = left[(_hash(key, example, j + k * tries) >> 32) * len(left) >> 32]
    return out


def draw_alias(
    table: AliasTable, examples: Tensor, k: int, key: int, queries: Tensor | None, known: Csr | None, tries: int
) -> Tensor:
    out = torch.full((examples.numel(), k), -1, dtype=torch.int64)
    threshold = table.threshold.numpy().view(np.uint32).tolist()
    alias = table.alias.tolist()
    units = [max(int(p * QUANTUM), int(p > 0)) for p in table.probability.tolist()]
    for r, example in enumerate(examples.tolist()):
        excluded = _known(known, queries, r)
        left = [item for item, n in enumerate(units) if n > 0 and item not in excluded]
        for j in range(k):
            hashed = [_hash(key, example, j + k * t) for t in range(tries)]
            buckets = [(h >> 32) * len(alias) >> 32 for h in hashed]
            drawn = [b if h & 0xFFFFFFFF < threshold[b] else alias[b] for h, b in zip(hashed, buckets, strict=True)]
            fine = [item for item in drawn if item not in excluded]
            if fine:
                out[r, j] = fine[0]
            elif left:
                total = sum(units[item] for item in left)
                share = (_hash(key, example, j + k * tries) >> 11) * 2.0**-53
                sums = np.cumsum([units[item] for item in left])
                out[r, j] = left[int(np.searchsorted(sums, min(int(share * total), total - 1), side="right"))]
    return out


def contains(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    rows = [[item in _known(known, queries, r) for item in row] for r, row in enumerate(ids.tolist())]
    return torch.tensor(rows, dtype=torch.bool).reshape(ids.shape)


def contains_pool(known: Csr, queries: Tensor, pool: Tensor) -> Tensor:
    return contains(known, queries, pool.expand(queries.numel(), -1))


def excluded_mass(known: Csr, queries: Tensor, probability: Tensor) -> Tensor:
    shares = probability.double().tolist()
    sums = [sum(shares[item] for item in _known(known, queries, r)) for r in range(queries.numel())]
    return torch.tensor(sums, dtype=torch.float64)


def gather_scores(query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor) -> Tensor:
    return torch.einsum("rd,rkd->rk", query_table[queries], item_table[ids])


def score_backward(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    per_row = torch.einsum("rk,rkd->rd", grad, item_table[ids])
    used = grad.reshape(-1) != 0
    outer = (grad[..., None] * query_table[queries][:, None]).reshape(-1, query_table.shape[1])
    distinct, sums = sum_rows(ids.reshape(-1)[used], outer[used], len(item_table))
    return per_row, distinct, sums


def sum_rows(index: Tensor, values: Tensor, size: int) -> tuple[Tensor, Tensor]:
    sums: dict[int, Tensor] = {}
    for item, value in zip(index.tolist(), values, strict=True):
        sums[item] = sums[item] + value if item in sums else value.clone()
    distinct = torch.tensor(list(sums), dtype=torch.int64)
    return distinct, torch.stack(list(sums.values())) if sums else values[:0].clone()


def shuffled(key: int, n: int) -> Tensor:
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = mix(mix(key ^ (i * EXAMPLE_STEP & MASK64))) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return torch.tensor(order, dtype=torch.int64)


def resample(logits: Tensor, ok: Tensor | None, examples: Tensor, k: int, key: int) -> tuple[Tensor, Tensor]:
    rows, m = logits.shape
    slots, chances = torch.full((rows, k), m - 1), torch.zeros(rows, k)
    for r in range(rows):
        allowed = [j for j in range(m) if ok is None or ok[r, j]]
        if not allowed:
            continue
        share = dict(zip(allowed, torch.softmax(logits[r, allowed].double(), 0).tolist(), strict=True))
        for i in range(k):
            h = mix((mix(key ^ (int(examples[r]) * EXAMPLE_STEP & MASK64)) + i * SLOT_STEP) & MASK64)
            target, total = (h >> 11) * 2.0**-53, 0.0
            for j in allowed:
                total += share[j]
                if total > target:
                    break
            slots[r, i], chances[r, i] = j, share[j]
    return slots, chances


def exp_rows(scores: Tensor, scale: float, bias: Tensor | None, ok: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    terms = scores * scale + (0.0 if bias is None else bias)
    terms = terms if ok is None else torch.where(ok, terms, -torch.inf)
    top = terms.max(1, keepdim=True).values
    top = torch.where(top == -torch.inf, 0.0, top)
    terms = torch.exp(terms - top)
    return terms, terms.sum(1, keepdim=True), top


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    out = torch.zeros(indptr.numel() - 1, dense.shape[1])
    for r in range(len(out)):
        for p in range(int(indptr[r]), int(indptr[r + 1])):
            out[r] += values[p] * dense[int(indices[p])]
    return out


def sgd_rows_(table: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float) -> None:
    for row, g in zip(rows.tolist(), grad, strict=True):
        table[row] -= lr * (g + weight_decay * table[row])


def sgd_pairs_(
    query_table: Tensor, item_table: Tensor, queries: Tensor, ids: Tensor, grad: Tensor, lr: float, weight_decay: float
) -> None:
    per_row, items, summed = score_backward(query_table, item_table, queries, ids, grad)
    used = (grad != 0).any(1)
    rows, of_queries = sum_rows(queries[used], per_row[used], len(query_table))
    sgd_rows_(query_table, rows, of_queries, lr, weight_decay)
    sgd_rows_(item_table, items, summed, lr, weight_decay)


def async_pairs_(
    query_table: Tensor,
    item_table: Tensor,
    queries: Tensor,
    positives: Tensor,
    ids: Tensor,
    ok: Tensor | None,
    weight: Tensor | None,
    loss: tuple[str, float, bool],
    lr: float,
    weight_decay: float,
) -> Tensor:
    kind, margin, mean = loss
    scores = torch.empty(ids.shape[0], ids.shape[1] + 1)
    for r in range(ids.shape[0]):
        vector, slots = query_table[queries[r]].clone(), torch.cat([positives[r : r + 1], ids[r]])
        scores[r] = item_table[slots] @ vector
        allowed = torch.ones_like(ids[r], dtype=torch.bool) if ok is None else ok[r]
        if not bool(allowed.any()):
            continue
        low = scores[r, 1:] - (0.0 if kind == "logistic" else scores[r, 0]) + margin
        pushes = (low > 0).float() if kind == "hinge" else torch.sigmoid(low)
        pushes = pushes * allowed * (1.0 if weight is None else weight[r]) / (allowed.sum() if mean else 1)
        pull = torch.sigmoid(-scores[r, 0] - margin) if kind == "logistic" else pushes.sum()
        total = torch.zeros_like(vector)
        for slot, grad in zip(slots.tolist(), [-pull, *pushes], strict=True):
            if grad != 0:
                total += grad * item_table[slot]
                item_table[slot] = (1 - lr * weight_decay) * item_table[slot] - lr * grad * vector
        query_table[queries[r]] = (1 - lr * weight_decay) * vector - lr * total
    return scores


def adagrad_rows_(
    table: Tensor, accumulator: Tensor, rows: Tensor, grad: Tensor, lr: float, weight_decay: float, eps: float
) -> None:
    for row, value in zip(rows.tolist(), grad, strict=True):
        g = value + weight_decay * table[row]
        accumulator[row] += g * g
        table[row] -= lr * g / (accumulator[row].sqrt() + eps)


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
    for row, value in zip(rows.tolist(), grad, strict=True):
        g = value + weight_decay * table[row]
        first[row] = betas[0] * first[row] + (1 - betas[0]) * g
        second[row] = betas[1] * second[row] + (1 - betas[1]) * g * g
        rate = lr * (1 - betas[1] ** step) ** 0.5 / (1 - betas[0] ** step)
        table[row] -= rate * first[row] / (second[row].sqrt() + 1e-8)


def top_k(scores: Tensor, k: int, exclude: Csr | None, queries: Tensor | None) -> tuple[Tensor, Tensor]:
    ids = torch.full((len(scores), k), -1, dtype=torch.int64)
    values = torch.full((len(scores), k), -torch.inf)
    for r, row in enumerate(scores.tolist()):
        known = _known(exclude, queries, r)
        left = [(-score, item) for item, score in enumerate(row) if score > -torch.inf and item not in known]
        for j, (score, item) in enumerate(sorted(left)[:k]):
            ids[r, j], values[r, j] = item, -score
    return ids, values
