"""Membership in the known items of a query, by Python's sets."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.types import Csr


def known_items(known: Csr | None, queries: Tensor | None, row: int) -> set[int]:
    return set() if known is None or queries is None else set(known.row(int(queries[row])).tolist())


def contains(known: Csr, queries: Tensor, ids: Tensor) -> Tensor:
    rows = [[item in known_items(known, queries, r) for item in row] for r, row in enumerate(ids.tolist())]
    return torch.tensor(rows, dtype=torch.bool).reshape(ids.shape)


def contains_pool(known: Csr, queries: Tensor, pool: Tensor) -> Tensor:
    return contains(known, queries, pool.expand(queries.numel(), -1))


def excluded_mass(known: Csr, queries: Tensor, probability: Tensor) -> Tensor:
    shares = probability.double().tolist()
    sums = [sum(shares[item] for item in known_items(known, queries, r)) for r in range(queries.numel())]
    return torch.tensor(sums, dtype=torch.float64)
