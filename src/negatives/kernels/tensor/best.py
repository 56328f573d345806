"""The best items of each query, block by block."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.tensor.segments import BUDGET, listed
from negatives.kernels.tensor.topk import ordered, ranked
from negatives.randomness import ties
from negatives.types import Csr

_ITEMS = 1 << 14
"""Items of a block."""
_KINDS = torch.int64, torch.int64, torch.float32
"""Types of the columns that go from block to block: order, ids and scores."""


def _products(queries: Tensor, items: Tensor) -> Tensor:
    """Inner products ``(n, b)``, each a chain of fused multiply-adds: a product of float32 is exact in float64."""
    scores = torch.zeros(len(queries), len(items), device=queries.device)
    left, right = queries.double(), items.double()
    for c in range(queries.shape[1]):
        scores = torch.addcmul(scores.double(), left[:, c, None], right[:, c]).float()
    return scores


def _leave_out(scores: Tensor, known: Csr, rows: Tensor, ids: Tensor) -> None:
    """Write -inf at known items of the queries; ``ids`` ``(b,)`` are the columns' items, ascending."""
    which, items, _ = listed(known, rows)
    at = torch.searchsorted(ids, items).clamp(max=ids.numel() - 1)
    found = ids[at] == items
    scores[which[found], at[found]] = -torch.inf


def _some(
    queries: Tensor, items: Tensor, k: int, exclude: Csr | None, rows: Tensor | None, words: Tensor, only: Tensor | None
) -> tuple[Tensor, Tensor]:
    m = len(items) if only is None else only.numel()
    codes, ids, values = (torch.empty(len(queries), 0, dtype=kind, device=queries.device) for kind in _KINDS)
    for start in range(0, m, _ITEMS):
        stop = min(m, start + _ITEMS)
        block = torch.arange(start, stop, device=queries.device) if only is None else only[start:stop]
        scores = ranked(_products(queries, items[start:stop] if only is None else items[block]))
        if exclude is not None and rows is not None:
            _leave_out(scores, exclude, rows, block)
        codes = torch.cat([codes, ordered(scores, ties(words[:, None], block))], 1)
        ids, values = torch.cat([ids, block.expand(len(queries), -1)], 1), torch.cat([values, scores], 1)
        best = torch.topk(codes, min(k, codes.shape[1]), dim=1).indices
        codes, ids, values = (one.gather(1, best) for one in (codes, ids, values))
    return torch.where(values > -torch.inf, ids, -1), values


def best(
    queries: Tensor, items: Tensor, k: int, exclude: Csr | None, rows: Tensor | None, words: Tensor, only: Tensor | None
) -> tuple[Tensor, Tensor]:
    ids = torch.full((len(queries), k), -1, dtype=torch.int64, device=queries.device)
    scores = torch.full((len(queries), k), -torch.inf, device=queries.device)
    step = max(1, BUDGET // (4 * (_ITEMS + k)))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        own = None if rows is None else rows[part]
        found, values = _some(queries[part], items, k, exclude, own, words[part], only)
        ids[part, : found.shape[1]], scores[part, : found.shape[1]] = found, values
    return ids, scores
