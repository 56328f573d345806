"""Membership in the known items of a query; nothing here waits for the device."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from negatives.kernels.triton.lanes import BLOCK, flat, is_known, launch, sets_of
from negatives.types import Csr


@triton.jit(do_not_specialize=("n", "width"))
def _contains(out, n, width, queries, ids, indptr, indices, shared: tl.constexpr, block: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    live = at < n
    query = tl.load(queries + at // width, mask=live, other=0)
    item = tl.load(ids + (at % width if shared else at), mask=live, other=0)
    start, end = sets_of(indptr, query, live)
    tl.store(out + at, is_known(indices, start, end, item), mask=live)


@triton.jit
def _mass(out, queries, indptr, indices, probability, block: tl.constexpr):
    row = tl.program_id(0)
    query = tl.load(queries + row)
    start, end = tl.load(indptr + query), tl.load(indptr + query + 1)
    total = tl.zeros((block,), tl.float64)
    for first in range(start, end, block):
        at = first + tl.arange(0, block)
        item = tl.load(indices + at, mask=at < end, other=0)
        total += tl.load(probability + item, mask=at < end, other=0.0).to(tl.float64)
    tl.store(out + row, tl.sum(total, 0))


def _marks(known: Csr, queries: Tensor, ids: Tensor, width: int, shared: bool) -> Tensor:
    out = torch.empty(queries.numel(), width, dtype=torch.bool, device=ids.device)
    rows, items, indptr, indices = flat(queries, ids, known.indptr, known.indices)
    launch(_contains, out.numel(), out, out.numel(), width, rows, items, indptr, indices, shared)
    return out


def contains(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    return _marks(known, queries, ids, ids.shape[1], shared=False)


def contains_pool(known: Csr, queries: Tensor, pool: Tensor) -> Tensor:
    return _marks(known, queries, pool, pool.numel(), shared=True)


def excluded_mass(known: Csr, queries: Tensor, probability: Tensor) -> Tensor:
    out = torch.empty(queries.numel(), dtype=torch.float64, device=queries.device)
    parts = flat(queries, known.indptr, known.indices, probability)
    launch(_mass, out.numel() * BLOCK, out, *parts)  # a program for each row
    return out
